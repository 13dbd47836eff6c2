//go:build !go1.27 && !goexperiment.jsonv2

package main

// v1OnV2: encoding/json is built on json v2, as of Go 1.27.
const v1OnV2 = false
