package main

import "testing"

// Whatever a body holds, looking at it ends, and what is told of it is no value.
func FuzzInspect(f *testing.F) {
	d, err := newDoctor(settings{})
	if err != nil {
		f.Fatal(err)
	}
	for _, body := range []string{
		`[{"id":"pt_1","address":{"x":[]},"dob":7}]`, `{"data":[null,1,[{}]],"next":{}}`, `{"patient":{"id":null}}`,
		`[{"insurances":[{"id":"ins_1"},null,{}],"practitioner":[]}]`, `{"error_type":1,"detail":{}}`, `null`, ``, `[[]]`,
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		told := &inspector{seen: map[string]bool{}}
		told.errorBody(reply{body: body})
		for _, s := range d.shapes {
			for _, list := range []bool{true, false} {
				in := &inspector{seen: map[string]bool{}}
				for _, record := range in.records(body, list) {
					in.value(s, "", record)
					allObjects(record)
					holds(record, "x")
				}
				in.unseen(s)
				told.findings = append(told.findings, in.findings...)
			}
		}
		for _, finding := range told.findings {
			private(t, finding.String())
		}
	})
}
