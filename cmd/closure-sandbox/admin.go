package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"

	"github.com/closurehealth/closure-go/closuretest"
)

// adminPrefix is the path at which the running sandbox is changed. The API has no such path.
const adminPrefix = "/_sandbox/"

// maxFaults is the longest text that adds faults.
const maxFaults = 64 << 10

// A resettable serves a double that can be replaced while it runs.
type resettable struct {
	double    atomic.Pointer[closuretest.Server]
	newDouble func() *closuretest.Server
	admin     *http.ServeMux
}

func newResettable(newDouble func() *closuretest.Server) *resettable {
	s := &resettable{newDouble: newDouble, admin: http.NewServeMux()}
	s.double.Store(newDouble())
	s.admin.HandleFunc("GET "+adminPrefix+"faults", s.showFaults)
	s.admin.HandleFunc("POST "+adminPrefix+"faults", s.addFaults)
	s.admin.HandleFunc("DELETE "+adminPrefix+"faults", s.clearFaults)
	s.admin.HandleFunc("POST "+adminPrefix+"reset", s.reset)
	return s
}

func (s *resettable) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, adminPrefix) {
		s.admin.ServeHTTP(w, r)
		return
	}
	s.double.Load().Handler().ServeHTTP(w, r)
}

// showFaults lists the faults and how often each struck.
func (s *resettable) showFaults(w http.ResponseWriter, _ *http.Request) {
	type injection struct {
		Fault  string `json:"fault"`
		Struck int    `json:"struck"`
	}
	injected := []injection{}
	for _, i := range s.double.Load().Injected() {
		injected = append(injected, injection{i.Fault.String(), i.Struck})
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(injected) // the client may be gone
}

// addFaults reads one fault a line, in the form of -fault. It adds all of them or none.
func (s *resettable) addFaults(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxFaults))
	if err != nil {
		http.Error(w, fmt.Sprintf("the body can't be read, or is longer than %d bytes", maxFaults), http.StatusBadRequest)
		return
	}
	faults, err := parseFaults(string(body))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.double.Load().Inject(faults...)
	s.showFaults(w, r)
}

func parseFaults(text string) (faults []closuretest.Fault, err error) {
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		fault, err := parseFault(line)
		if err != nil {
			return nil, err
		}
		faults = append(faults, fault)
	}
	if len(faults) == 0 {
		return nil, errors.New("the body holds no fault: want one a line, such as appointments.create:drop-after")
	}
	return faults, nil
}

func (s *resettable) clearFaults(w http.ResponseWriter, r *http.Request) {
	s.double.Load().ClearFaults()
	s.showFaults(w, r)
}

// reset restores the state and the faults with which the program started. A request that is
// being held goes on in the old state, which nobody sees any more.
func (s *resettable) reset(w http.ResponseWriter, r *http.Request) {
	s.double.Store(s.newDouble())
	s.showFaults(w, r)
}
