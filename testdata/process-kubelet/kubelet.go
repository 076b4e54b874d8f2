package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

// How often the node says that it is alive.
const heartbeat = 10 * time.Second

// node is one Node and the pods that run on it.
type node struct {
	api  *api
	name string
	// self is this program, which pods are run from.
	self string
	// launches are done by the main thread, see main.go.
	launches chan func()

	lock sync.Mutex
	pods map[string]*pod // by uid
	last netip.Addr      // the address given last
}

// list is a PodList, event what a watch tells.
type list struct {
	Metadata struct{ ResourceVersion string }
	Items    []object
}

type event struct {
	Type   string
	Object object
}

// kubelet registers a node and runs what is bound to it, until it is told to
// end. Its pods end with it, by the kernel's hand; the objects stay.
func kubelet(arguments []string) error {
	flags := flag.NewFlagSet("kubelet", flag.ExitOnError)
	server := flags.String("server", "", "the API server's URL")
	authority := flags.String("ca", "", "the certificates that the server's is signed by")
	token := flags.String("token-file", "", "the bearer token's file")
	name := flags.String("node", "node-0", "the node's name")
	_ = flags.Parse(arguments)
	api, err := connect(*server, *authority, *token)
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	n := &node{
		api: api, name: *name, self: self, launches: make(chan func()),
		pods: map[string]*pod{}, last: podRange.Addr(),
	}
	go n.beat(ctx)
	go n.follow(ctx)
	for {
		select {
		case launch := <-n.launches:
			launch()
		case <-ctx.Done():
			return nil
		}
	}
}

// beat registers the node and renews its lease and its conditions.
func (n *node) beat(ctx context.Context) {
	for ctx.Err() == nil {
		pause := heartbeat
		if err := n.alive(ctx); err != nil {
			log.Printf("node %s: %v", n.name, err)
			pause = time.Second
		}
		rest(ctx, pause)
	}
}

func (n *node) alive(ctx context.Context) error {
	labels := fields{"kubernetes.io/hostname": n.name, "kubernetes.io/os": "linux"}
	err := n.ensure(ctx, "/api/v1/nodes", fields{
		"apiVersion": "v1", "kind": "Node", "metadata": fields{"name": n.name, "labels": labels},
	})
	if err != nil {
		return err
	}
	now := time.Now().UTC()
	size := fields{"cpu": "10000", "memory": "100Ti", "pods": "20000"}
	err = n.api.do(ctx, http.MethodPatch, "/api/v1/nodes/"+n.name+"/status", fields{"status": fields{
		"capacity": size, "allocatable": size,
		"addresses": []fields{{"type": "InternalIP", "address": nodeAddress.String()}},
		"conditions": []fields{{
			"type": "Ready", "status": "True", "reason": "Processes",
			"message": "pods are run as processes", "lastHeartbeatTime": now.Format(time.RFC3339),
		}},
	}}, nil)
	if err != nil {
		return err
	}
	leases := "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
	spec := fields{
		"holderIdentity": n.name, "leaseDurationSeconds": 40,
		"renewTime": now.Format("2006-01-02T15:04:05.000000Z07:00"),
	}
	err = n.ensure(ctx, leases, fields{
		"apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
		"metadata": fields{"name": n.name}, "spec": spec,
	})
	if err != nil {
		return err
	}
	return n.api.do(ctx, http.MethodPatch, leases+"/"+n.name, fields{"spec": spec}, nil)
}

// ensure creates an object, unless it is there.
func (n *node) ensure(ctx context.Context, path string, object fields) error {
	err := n.api.do(ctx, http.MethodPost, path, object, nil)
	if refused := new(refusal); errors.As(err, &refused) && refused.code == http.StatusConflict {
		return nil
	}
	return err
}

// follow learns of pods: a list, then a watch from there, and again from the
// start whenever the watch ends.
func (n *node) follow(ctx context.Context) {
	for ctx.Err() == nil {
		if err := n.watch(ctx); err != nil && ctx.Err() == nil {
			log.Printf("pods of %s: %v", n.name, err)
			rest(ctx, 200*time.Millisecond)
		}
	}
}

func (n *node) watch(ctx context.Context) error {
	query := url.Values{"fieldSelector": {"spec.nodeName=" + n.name}}
	var all list
	if err := n.api.do(ctx, http.MethodGet, "/api/v1/pods?"+query.Encode(), nil, &all); err != nil {
		return err
	}
	listed := map[string]bool{}
	for _, found := range all.Items {
		listed[found.Metadata.UID] = true
		n.see(ctx, found)
	}
	n.lock.Lock()
	for uid, held := range n.pods {
		if !listed[uid] {
			held.vanish()
		}
	}
	n.lock.Unlock()

	query.Set("watch", "true")
	query.Set("allowWatchBookmarks", "true")
	query.Set("resourceVersion", all.Metadata.ResourceVersion)
	stream, err := n.api.ask(ctx, http.MethodGet, "/api/v1/pods?"+query.Encode(), nil)
	if err != nil {
		return err
	}
	defer stream.Close()
	for events := json.NewDecoder(stream); ; {
		var next event
		if err := events.Decode(&next); err != nil {
			return err
		}
		switch next.Type {
		case "ADDED", "MODIFIED":
			n.see(ctx, next.Object)
		case "DELETED":
			n.lock.Lock()
			if held := n.pods[next.Object.Metadata.UID]; held != nil {
				held.vanish()
			}
			n.lock.Unlock()
		case "ERROR":
			return errors.New("the watch is too old")
		}
	}
}

// see takes note of a pod as it is now: runs what is new, ends what is to go.
func (n *node) see(ctx context.Context, found object) {
	n.lock.Lock()
	defer n.lock.Unlock()
	held := n.pods[found.Metadata.UID]
	over := found.Status.Phase == "Succeeded" || found.Status.Phase == "Failed"
	if held == nil && over && found.Metadata.DeletionTimestamp == "" {
		return
	}
	if held == nil {
		n.last = n.last.Next()
		if !podRange.Contains(n.last) || n.last == nodeAddress {
			log.Fatalf("node %s has given all its addresses away", n.name)
		}
		held = newPod(n, found, n.last)
		n.pods[found.Metadata.UID] = held
		go func() {
			held.live(ctx)
			// What the watch has still to say of it must not start it again.
			select {
			case <-held.gone:
			case <-ctx.Done():
			}
			n.lock.Lock()
			delete(n.pods, found.Metadata.UID)
			n.lock.Unlock()
		}()
	}
	if found.Metadata.DeletionTimestamp != "" {
		held.end(time.Duration(found.Metadata.DeletionGracePeriodSeconds) * time.Second)
	}
}

// rest sleeps, unless it is told to end.
func rest(ctx context.Context, pause time.Duration) {
	select {
	case <-time.After(pause):
	case <-ctx.Done():
	}
}

// fields is a JSON object.
type fields = map[string]any

func (o *object) String() string {
	return fmt.Sprintf("pod %s/%s", o.Metadata.Namespace, o.Metadata.Name)
}
