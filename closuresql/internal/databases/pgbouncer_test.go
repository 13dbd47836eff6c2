package databases

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"
)

var (
	bouncerOnce  = sync.OnceValues(startBouncer)
	bouncerInput io.Closer // PgBouncer ends when it is closed, at the latest with this process
)

var errNoBouncer = errors.New("PgBouncer is not installed: Debian's package is pgbouncer")

// startBouncer starts PgBouncer, which gives each transaction a connection that
// other clients' transactions had before. It is on a socket in the shared server's directory, with which it
// ends.
func startBouncer() (dsn string, err error) {
	path, err := exec.LookPath("pgbouncer")
	if err != nil {
		if path = "/usr/sbin/pgbouncer"; !executable(path) {
			return "", errNoBouncer
		}
	}
	server, err := startOnce()
	if err != nil {
		return "", err
	}
	config := filepath.Join(server.dir, "pgbouncer.ini")
	text := fmt.Sprintf(`[databases]
postgres = host=%[1]s user=postgres dbname=postgres
[pgbouncer]
unix_socket_dir = %[1]s
listen_addr =
listen_port = 6432
auth_type = any
pool_mode = transaction
default_pool_size = 6
max_client_conn = 500
`, server.dir)
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		return "", err
	}
	const script = `"$1" --quiet "$2" >"$2.log" 2>&1 & cat; kill -INT $!`
	cmd := exec.Command("sh", "-c", script, "sh", path, config)
	cmd.Dir = server.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: server.owner, Setpgid: true}
	if bouncerInput, err = cmd.StdinPipe(); err != nil {
		return "", err
	}
	if err := cmd.Start(); err != nil {
		return "", err
	}
	socket := filepath.Join(server.dir, ".s.PGSQL.6432")
	for range 500 {
		// The file alone doesn't say it: between bind and listen a connection is refused.
		if conn, err := net.Dial("unix", socket); err == nil {
			_ = conn.Close()
			return server.dsn() + " port=6432 default_query_exec_mode=exec", nil
		}
		time.Sleep(10 * time.Millisecond)
	}
	log, _ := os.ReadFile(config + ".log")
	return "", fmt.Errorf("pgbouncer does not listen:\n%s", log)
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode()&0o111 != 0
}

// bouncedDatabase is a schema of its own, behind PgBouncer.
func bouncedDatabase(t testing.TB) database {
	t.Helper()
	if own := os.Getenv(postgresVariable); own != "" && own != "start" {
		t.Skip("the server that " + postgresVariable + " names is not put behind PgBouncer")
	}
	d := postgresDatabase(t)
	dsn, err := bouncerOnce()
	if errors.Is(err, errNoBouncer) && os.Getenv(postgresVariable) == "" {
		t.Skip(err)
	}
	noError(t, err)
	d.dsn = dsn
	return d
}
