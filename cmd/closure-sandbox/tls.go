package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"slices"
	"time"
)

// validity is how long the certificate is valid.
const validity = 365 * 24 * time.Hour

// newTLS makes a key and a self-signed certificate for this machine and the names. The
// certificate is written to the file, so that clients can trust it; the key never leaves the
// process.
func newTLS(file string, names []string) (*tls.Config, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := selfSigned(key, names)
	if err != nil {
		return nil, err
	}
	if err := writeCertificate(file, der); err != nil {
		return nil, fmt.Errorf("-tls: the certificate can't be written: %w", err)
	}
	certificate := tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	return &tls.Config{
		Certificates: []tls.Certificate{certificate},
		MinVersion:   tls.VersionTLS12,
		NextProtos:   []string{"h2", "http/1.1"},
	}, nil
}

func selfSigned(key *ecdsa.PrivateKey, names []string) ([]byte, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: "closure-sandbox"},
		NotBefore:             now.Add(-time.Hour), // the client's clock may be behind
		NotAfter:              now.Add(validity),
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
	names = append([]string{"localhost", "127.0.0.1", "::1"}, names...)
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	return x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
}

// writeCertificate replaces an earlier certificate, and no other file.
func writeCertificate(file string, der []byte) error {
	const kind = "CERTIFICATE"
	old, err := os.ReadFile(file)
	if err == nil && !bytes.HasPrefix(old, []byte("-----BEGIN "+kind)) {
		return fmt.Errorf("%s is there already, and is no certificate", file)
	}
	return os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o644)
}

// names returns the names of -tls-name, and the host to listen on.
func (s settings) names() []string {
	host, _, _ := net.SplitHostPort(s.addr) // the flags were checked
	ip := net.ParseIP(host)
	if host == "" || ip != nil && ip.IsUnspecified() {
		return s.tlsNames
	}
	return append([]string{host}, s.tlsNames...)
}
