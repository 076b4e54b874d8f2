package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
)

// api is the API server, as one identity sees it.
type api struct {
	server string
	token  string
	http   *http.Client
}

// refusal is an answer of the API server that is not a success.
type refusal struct {
	code int
	text string
}

func (r *refusal) Error() string { return fmt.Sprintf("%d: %s", r.code, r.text) }

func connect(server, authority, tokenFile string) (*api, error) {
	pem, err := os.ReadFile(authority)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate", authority)
	}
	token, err := os.ReadFile(tokenFile)
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true}
	return &api{server, strings.TrimSpace(string(token)), &http.Client{Transport: transport}}, nil
}

// ask sends a request and hands the answer out as it comes; who asks closes it.
func (a *api) ask(ctx context.Context, method, path string, body any) (io.ReadCloser, error) {
	var sent io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		sent = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, method, a.server+path, sent)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+a.token)
	request.Header.Set("User-Agent", "process-kubelet")
	if method == http.MethodPatch {
		request.Header.Set("Content-Type", "application/merge-patch+json")
	} else {
		request.Header.Set("Content-Type", "application/json")
	}
	answer, err := a.http.Do(request)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode < 200 || answer.StatusCode > 299 {
		defer answer.Body.Close()
		text, _ := io.ReadAll(io.LimitReader(answer.Body, 4096))
		return nil, &refusal{answer.StatusCode, strings.TrimSpace(string(text))}
	}
	return answer.Body, nil
}

// do sends a request and reads the answer into `into`, unless that is nil.
func (a *api) do(ctx context.Context, method, path string, body, into any) error {
	answer, err := a.ask(ctx, method, path, body)
	if err != nil {
		return err
	}
	defer answer.Close()
	if into == nil {
		_, err = io.Copy(io.Discard, answer)
		return err
	}
	return json.NewDecoder(answer).Decode(into)
}
