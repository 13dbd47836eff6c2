package main

import (
	"bytes"
	"strings"
	"testing"
)

func TestRun(t *testing.T) {
	t.Setenv("CLOSURE_API_KEY", "") // offline
	var out bytes.Buffer
	if err := run(t.Context(), &out, false, 2); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"Trisha Pandit, insured with Example Health Choice PPO\n",
		"left out: can't be booked through the API\n",
		"left out: does not accept Example Health Choice PPO\n",
		" scheduled\n",
		"New York, NY\n",
		"is accepted\n",
		" EDT (21:", // 17:… in New York
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing", want)
		}
	}
	if t.Failed() {
		t.Log(out.String())
	}
}

// Where there is no opening, it says so and books nothing.
func TestRunNothing(t *testing.T) {
	t.Setenv("CLOSURE_API_KEY", "")
	err := run(t.Context(), new(bytes.Buffer), false, 0)
	if err == nil || !strings.Contains(err.Error(), "no open slot") {
		t.Errorf("%v", err)
	}
}
