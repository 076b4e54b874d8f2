package main

import (
	"bytes"
	"io"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"strings"
	"time"
)

// server answers git's smart HTTP protocol, or shows a fault.
type server struct {
	state          *state
	root, backend  string
	user, password string
	header         string
}

func where(r *http.Request) string {
	switch {
	case strings.HasSuffix(r.URL.Path, "/info/refs"):
		return "info"
	case strings.HasSuffix(r.URL.Path, "/git-upload-pack"):
		return "upload"
	case strings.HasSuffix(r.URL.Path, "/git-receive-pack"):
		return "receive"
	}
	return "other"
}

func (s *server) allowed(r *http.Request) bool {
	if s.password == "" && s.header == "" {
		return true
	}
	if s.header != "" && r.Header.Get("Authorization") == s.header {
		return true
	}
	user, password, ok := r.BasicAuth()
	return ok && s.password != "" && user == s.user && password == s.password
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.state.Lock()
	s.state.Requests++
	if r.Header.Get("Authorization") != "" {
		s.state.Authorized++
	}
	s.state.Unlock()
	if !s.allowed(r) {
		s.state.Lock()
		s.state.Refused++
		s.state.Unlock()
		w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
		// What a careless server does: it says what it was sent.
		http.Error(w, "not with "+r.Header.Get("Authorization"), http.StatusUnauthorized)
		return
	}
	f := s.state.take(where(r))
	// net/http/cgi takes no chunked bodies, and git sends large packs so.
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	r.Body, r.ContentLength, r.TransferEncoding = io.NopCloser(bytes.NewReader(body)), int64(len(body)), nil
	if f == nil {
		s.git(r).ServeHTTP(w, r)
		return
	}
	switch f.kind {
	case "status":
		code := map[string]int{"403": 403, "404": 404, "500": 500, "502": 502, "503": 503}[f.text]
		http.Error(w, "a fault", code)
	case "hang":
		select {
		case <-r.Context().Done():
		case <-time.After(time.Minute):
		}
	case "redirect":
		http.Redirect(w, r, f.text+r.URL.RequestURI(), http.StatusFound)
	case "html":
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "<html><body>Please log in</body></html>")
	case "close":
		abort(w)
	case "cut":
		s.cut(w, r)
	case "lost-ack":
		// All of it is done, and nobody is told.
		s.git(r).ServeHTTP(httptest.NewRecorder(), r)
		abort(w)
	default:
		http.Error(w, "unknown fault "+f.kind, http.StatusTeapot)
	}
}

func (s *server) git(r *http.Request) http.Handler {
	return &cgi.Handler{
		Path: s.backend,
		Env: []string{"GIT_PROJECT_ROOT=" + s.root, "GIT_HTTP_EXPORT_ALL=1",
			"REMOTE_USER=" + s.user, "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null",
			"GIT_PROTOCOL=" + r.Header.Get("Git-Protocol")},
		InheritEnv: []string{"PATH"},
	}
}

// cut sends the first half of the true answer and closes the connection.
func (s *server) cut(w http.ResponseWriter, r *http.Request) {
	whole := httptest.NewRecorder()
	s.git(r).ServeHTTP(whole, r)
	for name, values := range whole.Header() {
		w.Header()[name] = values
	}
	w.WriteHeader(whole.Code)
	body := whole.Body.Bytes()
	_, _ = w.Write(body[:len(body)/2])
	if flusher, ok := w.(http.Flusher); ok {
		flusher.Flush()
	}
	abort(w)
}

// abort closes the connection without another byte.
func abort(w http.ResponseWriter) {
	hijacker, ok := w.(http.Hijacker)
	if !ok {
		panic(http.ErrAbortHandler)
	}
	conn, _, err := hijacker.Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	_ = conn.Close()
}
