package devserver

import (
	"path/filepath"
	"testing"
	"time"

	"go.temporal.io/sdk/client"
)

func TestStart(t *testing.T) {
	begin := time.Now()
	server, err := Start(Options{File: filepath.Join(t.TempDir(), "temporal.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Stop()
	c, err := client.Dial(client.Options{HostPort: server.Address()})
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	t.Log(time.Since(begin))
}
