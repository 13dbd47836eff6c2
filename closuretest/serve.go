package closuretest

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// maxBody is the longest body of a request that is read.
const maxBody = 1 << 20

// Handler returns the server as a handler, for your own listener or wrapper. A fault that
// loses the connection hijacks it; if the ResponseWriter doesn't allow that, the handler
// panics with [net/http.ErrAbortHandler].
func (s *Server) Handler() http.Handler { return http.HandlerFunc(s.serve) }

// An exchange is one request and its answer.
type exchange struct {
	server *Server
	w      http.ResponseWriter
	r      *http.Request
	id     string // X-Request-Id
	start  time.Time
	op     string
	plan   plan
}

// serve serves every request, over a socket or without one.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	x := &exchange{server: s, w: w, r: r, id: s.requests.number(), start: time.Now()}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err != nil {
		x.lose() // the client went away, or its body was cut short
		return
	}
	found, id, allowed := find(s.routes, r.Method, r.URL.EscapedPath())
	if found != nil {
		x.op = found.op
	}
	live := showsLiveKey(r) || anywhereLive(r, body)
	x.keep(found, body, live)
	if refusal, no := x.admit(found, allowed, body, live); no {
		x.write(refusal)
		return
	}
	c, refusal, no := newCall(found, id, r, body)
	if no {
		x.write(refusal)
		return
	}
	x.plan = s.faults.next(x.op, func() uint64 { return digest(r.Method, r.URL.EscapedPath(), r.URL.RawQuery, string(body)) })
	x.run(c)
}

// keep records what arrived. A request in live mode may hold the data of real patients: only
// its operation is kept.
func (x *exchange) keep(found *route, body []byte, live bool) {
	if live {
		kept := Request{Op: x.op, Method: x.r.Method, RequestID: x.id}
		if found != nil {
			kept.Path = found.template
		}
		x.server.requests.add(arrival{request: kept})
		return
	}
	kept := Request{Op: x.op, Method: x.r.Method, Path: x.r.URL.Path, Header: x.r.Header.Clone(), RequestID: x.id}
	delete(kept.Header, "Authorization")
	if len(body) > 0 {
		kept.Body = body
	}
	x.server.requests.add(arrival{request: kept, query: x.r.URL.RawQuery})
}

// admit says why a request is refused before its contents are read.
func (x *exchange) admit(found *route, allowed []string, body []byte, live bool) (refusal answer, no bool) {
	if problem := x.server.misuse.Load(); problem != nil {
		return misuse(*problem), true
	}
	if live {
		return liveRefused(), true
	}
	if refusal, no := authorize(x.r); no {
		return refusal, true
	}
	if found == nil {
		return noRoute(allowed), true
	}
	if len(body) > maxBody {
		return invalid("body: is longer than a mebibyte"), true
	}
	return answer{}, false
}

func noRoute(allowed []string) answer {
	if len(allowed) == 0 {
		return notFound("path")
	}
	refusal := refuse(http.StatusMethodNotAllowed, "The path does not take this method.")
	refusal.header = http.Header{"Allow": {strings.Join(allowed, ", ")}}
	return refusal
}

// newCall reads the parts of a request that every operation needs.
func newCall(found *route, id string, r *http.Request, body []byte) (c *call, refusal answer, no bool) {
	c = &call{route: found, id: id}
	var p problems
	var err error
	if c.query, err = url.ParseQuery(r.URL.RawQuery); err != nil {
		p = append(p, "query: can't be read")
	}
	if v := r.Header.Get("Closure-Api-Version"); v != "" && !isVersion(v) {
		p.add("Closure-API-Version", "is not of the form 2022-04-01")
	}
	if found.directory {
		c.version = r.Header.Get("Closure-Index-Version")
	}
	if found.takesBody() {
		if kind := r.Header.Get("Content-Type"); kind != "" && !strings.HasPrefix(strings.ToLower(kind), "application/json") {
			p.add("Content-Type", "is not application/json")
		}
		var problem string
		if c.fields, problem = parseFields(body); problem != "" {
			p = append(p, problem)
		}
	}
	if len(p) > 0 {
		return nil, invalid(p...), true
	}
	return c, answer{}, false
}

// takesBody reports whether the operation has a body: cancelling has none.
func (r *route) takesBody() bool { return r.writes() && !strings.HasSuffix(r.template, "/cancel") }

func isVersion(v string) bool {
	_, err := time.Parse(time.DateOnly, v)
	return err == nil
}

// run carries a request out, with the fault that strikes it, if any.
func (x *exchange) run(c *call) {
	f := x.plan.fault
	switch x.plan.kind() {
	case kindDropBefore:
		x.pause()
		x.lose()
	case kindDropAfter:
		x.carryOut(c)
		x.pause()
		x.lose()
	case kindCommitLate:
		x.server.carryOutLate(c, f.wait)
		x.pause()
		x.lose()
	case kindStatus:
		x.reply(f.answer())
	case kindStatusAfter:
		x.carryOut(c)
		x.reply(f.answer())
	default:
		x.reply(x.carryOut(c))
	}
}

// carryOut carries the request out. A read shows the state that the fault demands.
func (x *exchange) carryOut(c *call) answer {
	lag := x.server.lag
	if x.plan.kind() == kindStale {
		lag = x.plan.fault.wait
	}
	return x.server.carryOut(c, lag)
}

// reply answers after the delay, unless the client is gone by then.
func (x *exchange) reply(a answer) {
	if x.pause() {
		x.write(a)
		return
	}
	x.lose()
}

// pause holds the request for the planned delay. It reports whether the client is
// still there.
func (x *exchange) pause() bool {
	if x.plan.delay <= 0 {
		return true
	}
	timer := time.NewTimer(x.plan.delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-x.r.Context().Done():
		return false
	}
}

// answer is the answer that a fault gives in the place of the API.
func (f *Fault) answer() answer {
	a := refuse(f.code, "This is the answer of an injected fault.")
	a.header = http.Header{}
	for i := 0; i+1 < len(f.header); i += 2 {
		a.header.Add(f.header[i], f.header[i+1])
	}
	return a
}

func (x *exchange) log(status int) {
	logger := x.server.config.logger
	if logger == nil {
		return
	}
	fault := ""
	if x.plan.fault != nil {
		fault = x.plan.fault.effect()
	}
	if x.plan.delay > 0 {
		fault = strings.TrimPrefix(fault+", delayed by "+x.plan.delay.String(), ", ")
	}
	logger.LogAttrs(context.WithoutCancel(x.r.Context()), slog.LevelInfo, "request",
		slog.String("operation", x.op),
		slog.String("method", x.r.Method),
		slog.Int("status", status),
		slog.String("fault", fault),
		slog.String("request_id", x.id),
		slog.Duration("duration", time.Since(x.start)),
	)
}
