package main

import (
	"context"
	"encoding/json"
	"flag"
	"net"
	"net/http"
	"os/signal"
	"strings"
	"syscall"
)

// What a request asks to have told: the header that names headers of its own.
const echoHeader = "X-Lab-Echo"

// told is what a pod answers.
type told struct {
	// Tag is the image's, by which versions are told apart.
	Tag string `json:"tag"`
	Pod string `json:"pod"`
	// Echo is what the request said in the headers that it asks for.
	Echo string `json:"echo,omitempty"`
}

// serve is a pod. A tag that begins with `bad` answers 500 to everybody but
// the node, one that begins with `never` does not get ready. SIGTERM closes the
// listeners and ends it once what was begun is answered.
func serve(arguments []string) error {
	flags := flag.NewFlagSet("serve", flag.ExitOnError)
	listen := flags.String("listen", "", "addresses, with commas between them")
	tag := flags.String("tag", "", "the image's tag")
	pod := flags.String("pod", "", "the pod's name")
	_ = flags.Parse(arguments)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()

	paths := http.NewServeMux()
	paths.HandleFunc("/readyz", func(out http.ResponseWriter, _ *http.Request) {
		if strings.HasPrefix(*tag, "never") {
			out.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	paths.HandleFunc("/", func(out http.ResponseWriter, asked *http.Request) {
		out.Header().Set("Content-Type", "application/json")
		if strings.HasPrefix(*tag, "bad") {
			out.WriteHeader(http.StatusInternalServerError)
		}
		_ = json.NewEncoder(out).Encode(told{*tag, *pod, echo(asked)})
	})
	server := &http.Server{Handler: paths}
	ended := make(chan error, 1)
	for _, address := range strings.Split(*listen, ",") {
		listener, err := net.Listen("tcp", address)
		if err != nil {
			return err
		}
		go func() { ended <- server.Serve(listener) }()
	}
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	// Without an end of its own: the node ends what takes longer than its grace.
	return server.Shutdown(context.Background())
}

// echo is what a request said in the headers that it names.
func echo(asked *http.Request) string {
	var values []string
	for _, name := range strings.Split(asked.Header.Get(echoHeader), ",") {
		values = append(values, strings.Join(asked.Header.Values(strings.TrimSpace(name)), " "))
	}
	return strings.Join(values, ",")
}
