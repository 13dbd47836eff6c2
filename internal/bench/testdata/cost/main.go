package main

import (
	"context"
	"fmt"
	"os"

	"github.com/closurehealth/closure-go"
)

func main() {
	c, err := closure.NewClient(closure.QuickstartKey, closure.WithBaseURL(os.Args[1]))
	if err != nil {
		panic(err)
	}
	p, err := c.Patients.Get(context.Background(), "pt_1")
	fmt.Println(p.ID, err)
}
