//go:build tools

// Package tools pins the module whose CRD files the laboratory installs.
package tools

import _ "sigs.k8s.io/gateway-api/apis/v1"
