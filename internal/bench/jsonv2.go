//go:build go1.27 || goexperiment.jsonv2

package main

const v1OnV2 = true
