package main

import (
	"context"
	"errors"
	"log"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// object is what is read of a Pod.
type object struct {
	Metadata struct {
		Name, Namespace, UID       string
		DeletionTimestamp          string
		DeletionGracePeriodSeconds int64
	}
	Spec struct {
		Containers []struct {
			Name, Image string
			Ports       []struct{ ContainerPort int }
			Lifecycle   struct {
				PreStop struct{ Sleep struct{ Seconds int64 } }
			}
		}
	}
	Status struct{ Phase string }
}

// pod is one pod and its process.
type pod struct {
	node    *node
	object  object
	address netip.Addr
	listens []string
	begun   time.Time

	ending chan time.Duration // its grace, once
	gone   chan struct{}      // closed when the object is no more
	once   struct{ end, vanish sync.Once }
}

// process is the running `serve` of a pod.
type process struct {
	command *exec.Cmd
	ended   chan struct{}
}

func newPod(n *node, found object, address netip.Addr) *pod {
	p := &pod{
		node: n, object: found, address: address, begun: time.Now().UTC(),
		ending: make(chan time.Duration, 1), gone: make(chan struct{}),
	}
	for _, port := range found.Spec.Containers[0].Ports {
		number := strconv.Itoa(port.ContainerPort)
		p.listens = append(p.listens, net.JoinHostPort(address.String(), number))
	}
	if len(p.listens) == 0 {
		p.listens = []string{net.JoinHostPort(address.String(), "8080")}
	}
	return p
}

// end has the pod end within a grace.
func (p *pod) end(grace time.Duration) { p.once.end.Do(func() { p.ending <- grace }) }

// vanish says that the object is no more: nothing is owed to anybody.
func (p *pod) vanish() { p.once.vanish.Do(func() { close(p.gone) }) }

// live runs the pod from its start to its end.
func (p *pod) live(ctx context.Context) {
	running, err := p.launch()
	if err != nil {
		log.Printf("%v: %v", &p.object, err)
	}
	defer running.kill()
	ready, failed, told := false, err != nil, false
	ticks := time.NewTicker(50 * time.Millisecond)
	defer ticks.Stop()
	for {
		if !told {
			// What was refused is said again with the next tick.
			told = p.report(ctx, ready, failed) == nil
		}
		select {
		case <-ticks.C:
			if !ready && !failed && p.answers(ctx) {
				ready, told = true, false
			}
		case <-running.over():
			running, ready, failed, told = nil, false, true, false
		case grace := <-p.ending:
			p.terminate(ctx, running, grace)
			p.remove(ctx)
			return
		case <-p.gone:
			return
		case <-ctx.Done():
			return
		}
	}
}

// launch starts the pod's process, by the thread that all pods hang on.
func (p *pod) launch() (*process, error) {
	image := p.object.Spec.Containers[0].Image
	tag := image[strings.LastIndexAny(image, ":/")+1:]
	command := exec.Command(p.node.self, "serve",
		"-listen", strings.Join(p.listens, ","), "-tag", tag, "-pod", p.object.Metadata.Name)
	command.Stdout, command.Stderr = os.Stderr, os.Stderr
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	started := make(chan error)
	p.node.launches <- func() { started <- command.Start() }
	if err := <-started; err != nil {
		return nil, err
	}
	running := &process{command, make(chan struct{})}
	go func() {
		_ = command.Wait()
		close(running.ended)
	}()
	return running, nil
}

// answers says whether the pod is ready.
func (p *pod) answers(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.listens[0]+"/readyz", nil)
	if err != nil {
		return false
	}
	request.Close = true
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return false
	}
	defer answer.Body.Close()
	return answer.StatusCode == http.StatusOK
}

// report writes the pod's status. That the pod is no more is not an error:
// the watch will tell.
func (p *pod) report(ctx context.Context, ready, failed bool) error {
	begun := p.begun.Format(time.RFC3339)
	condition := func(kind string, holds bool) fields {
		status := map[bool]string{true: "True", false: "False"}[holds]
		now := time.Now().UTC().Format(time.RFC3339)
		return fields{"type": kind, "status": status, "lastTransitionTime": now}
	}
	phase, state := "Running", fields{"running": fields{"startedAt": begun}}
	if failed {
		phase, state = "Failed", fields{"terminated": fields{"exitCode": 1, "reason": "Error"}}
	}
	container := p.object.Spec.Containers[0]
	err := p.node.api.do(ctx, http.MethodPatch, p.path()+"/status", fields{
		"metadata": fields{"uid": p.object.Metadata.UID},
		"status": fields{
			"phase": phase, "startTime": begun, "hostIP": nodeAddress.String(),
			"podIP": p.address.String(), "podIPs": []fields{{"ip": p.address.String()}},
			"conditions": []fields{
				condition("PodScheduled", true), condition("Initialized", true),
				condition("ContainersReady", ready), condition("Ready", ready),
			},
			"containerStatuses": []fields{{
				"name": container.Name, "image": container.Image, "imageID": container.Image,
				"ready": ready, "started": !failed, "restartCount": 0, "state": state,
			}},
		},
	}, nil)
	refused := new(refusal)
	if errors.As(err, &refused) && refused.code == http.StatusNotFound {
		return nil
	}
	return err
}

// terminate ends the process as a kubelet does: the hook that runs before, a
// request to end, and force once the grace is over. Until the hook is over the
// pod answers as before.
func (p *pod) terminate(ctx context.Context, running *process, grace time.Duration) {
	if running == nil {
		return
	}
	hook := p.object.Spec.Containers[0].Lifecycle.PreStop.Sleep.Seconds
	sleep := min(time.Duration(hook)*time.Second, grace)
	if p.stays(ctx, running, sleep) {
		_ = running.command.Process.Signal(syscall.SIGTERM)
		p.stays(ctx, running, grace-sleep)
	}
	running.kill()
	<-running.ended
}

// stays waits, and says whether the pod is still to be waited for.
func (p *pod) stays(ctx context.Context, running *process, pause time.Duration) bool {
	select {
	case <-time.After(pause):
		return true
	case <-running.ended:
	case <-p.gone:
	case <-ctx.Done():
	}
	return false
}

// remove deletes the object of a pod whose process has ended, and returns when
// it is gone: by our hand or another's.
func (p *pod) remove(ctx context.Context) {
	for ctx.Err() == nil {
		err := p.node.api.do(ctx, http.MethodDelete, p.path(), fields{
			"apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0,
			// Another pod of the same name is none of ours.
			"preconditions": fields{"uid": p.object.Metadata.UID},
		}, nil)
		if err != nil {
			log.Printf("%v: %v", &p.object, err)
		}
		select {
		case <-p.gone:
			return
		case <-time.After(time.Second):
		case <-ctx.Done():
		}
	}
}

func (p *pod) path() string {
	return "/api/v1/namespaces/" + p.object.Metadata.Namespace + "/pods/" + p.object.Metadata.Name
}

// over is closed when the process has ended; never, if there is none.
func (r *process) over() <-chan struct{} {
	if r == nil {
		return nil
	}
	return r.ended
}

func (r *process) kill() {
	if r != nil {
		_ = r.command.Process.Kill()
	}
}
