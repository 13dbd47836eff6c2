package adversary

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"hash/fnv"
	"io"
	"math/big"
	mrand "math/rand/v2"
	"net"
	"os"
	"sync"
	"time"
)

// A server is a listener and its connections.
type server struct {
	world *world
	ln    *net.TCPListener

	mu     sync.Mutex
	conns  map[*wireConn]struct{}
	closed bool
	group  sync.WaitGroup
}

func listen(w *world) (*server, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &server{world: w, ln: ln.(*net.TCPListener), conns: map[*wireConn]struct{}{}}
	s.group.Go(s.accept)
	return s, nil
}

func (s *server) url() string {
	if s.world.protocol.tls {
		return "https://" + s.ln.Addr().String()
	}
	return "http://" + s.ln.Addr().String()
}

func (s *server) accept() {
	for number := uint64(0); ; number++ {
		conn, err := s.ln.AcceptTCP()
		if err != nil {
			return
		}
		l := newWireConn(conn)
		if !s.keep(l) {
			l.rst()
			return
		}
		s.group.Go(func() {
			defer s.forget(l)
			s.serve(l, number)
		})
	}
}

func (s *server) serve(l *wireConn, number uint64) {
	if dice := newDice(s.world.seed, 1<<40+number); len(s.world.family.onConnect) > 0 && dice.IntN(3) == 0 {
		fault := s.world.family.onConnect[dice.IntN(len(s.world.family.onConnect))]
		if fault.fits(s.world.protocol) {
			fault.do(&exchange{world: s.world, wire: l, dice: dice})
			return
		}
	}
	if s.world.protocol.tls {
		if l.handshake(s.world.protocol) != nil {
			return
		}
	}
	if s.world.protocol.h2 {
		newHTTP2(s.world, l).serve()
	} else {
		serveHTTP1(s.world, l)
	}
}

func (s *server) keep(l *wireConn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.conns[l] = struct{}{}
	return true
}

func (s *server) forget(l *wireConn) {
	l.fin()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, l)
}

// cut resets all connections, like a machine that loses power.
func (s *server) cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for l := range s.conns {
		l.rst()
	}
}

// close closes all connections and waits for their goroutines.
func (s *server) close() {
	_ = s.ln.Close()
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.cut()
	s.group.Wait()
}

// A trap is where redirects point. Nobody may ever connect to it.
type trap struct {
	ln       net.Listener
	group    sync.WaitGroup
	mu       sync.Mutex
	visitors int
}

func newTrap() (*trap, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	t := &trap{ln: ln}
	t.group.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			t.mu.Lock()
			t.visitors++
			t.mu.Unlock()
			_ = conn.Close()
		}
	})
	return t, nil
}

func (t *trap) url() string { return "http://" + t.ln.Addr().String() + "/trap" }

func (t *trap) close() (visitors int) {
	_ = t.ln.Close()
	t.group.Wait()
	return t.visitors
}

// authority is the self-signed certificate of all servers.
var authority struct {
	certificate tls.Certificate
	pool        *x509.CertPool
}

// makeAuthority writes the certificate where crypto/x509 looks for the system's,
// so that the SDK's own pool trusts it.
func makeAuthority(file string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "adversary"},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(24 * time.Hour),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return err
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		return err
	}
	authority.certificate = tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	authority.pool = x509.NewCertPool()
	authority.pool.AddCert(parsed)
	return os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600)
}

// newDice returns random numbers that depend only on the name, such as (seed, call, request),
// and not on what was drawn elsewhere.
func newDice(seed uint64, name ...uint64) *mrand.Rand {
	h := uint64(0x9e3779b97f4a7c15)
	for _, part := range name {
		h = (h ^ part) * 0xbf58476d1ce4e5b9
		h ^= h >> 29
	}
	return mrand.New(mrand.NewPCG(seed, h))
}

func hash(text string) uint64 {
	h := fnv.New64a()
	_, _ = io.WriteString(h, text) // can't fail
	return h.Sum64()
}
