// Command process-kubelet makes a node out of processes. It runs each pod that
// is bound to the node as a small HTTP server with an address of its own, so
// that Deployments, EndpointSlices and a proxy in front of them carry real
// requests, and it counts what becomes of such requests.
//
//	process-kubelet network          the addresses of pods, on loopback
//	process-kubelet kubelet FLAGS    the node
//	process-kubelet serve FLAGS      one pod, as the node starts it
//	process-kubelet load FLAGS       requests at a steady rate, each accounted for
//
// It is made for a network namespace that holds nothing else, and for Linux.
//
// What a kubelet does and this one does not: images, volumes, environment,
// probes, restarts, init containers, more than one container, resources,
// readiness gates, logs and exec. A pod is a process that listens on the ports
// of its first container and says that container's image tag. It is ready once
// it answers, and stays so until it ends.
package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
)

func init() {
	// The kernel ends a child with the thread that made it (Pdeathsig): all
	// pods are started by the main thread, which lives as long as we do.
	runtime.LockOSThread()
}

func main() {
	commands := map[string]func([]string) error{
		"network": network,
		"kubelet": kubelet,
		"serve":   serve,
		"load":    load,
	}
	err := errors.New("usage: process-kubelet network | kubelet | serve | load")
	if len(os.Args) > 1 && commands[os.Args[1]] != nil {
		err = commands[os.Args[1]](os.Args[2:])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "process-kubelet:", err)
		os.Exit(1)
	}
}
