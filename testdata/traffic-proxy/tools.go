//go:build tools

// Package tools pins the proxy that the laboratory builds from this module.
package tools

import _ "github.com/traefik/traefik/v3/cmd/traefik"
