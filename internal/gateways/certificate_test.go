//go:build unix

package gateways

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

var certificate string // the file with the certificate of the gateways, which this process trusts

// trustOneself makes a self-signed certificate the system's only root, as an operator would,
// because the SDK's own pool has no setting for it.
func trustOneself(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	made, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	_ = pem.Encode(&file, &pem.Block{Type: "CERTIFICATE", Bytes: made}) // writing to a buffer can't fail
	_ = pem.Encode(&file, &pem.Block{Type: "PRIVATE KEY", Bytes: private})
	certificate = filepath.Join(t.TempDir(), "pem")
	if err := os.WriteFile(certificate, file.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SSL_CERT_FILE", certificate)
	t.Setenv("SSL_CERT_DIR", t.TempDir())
}
