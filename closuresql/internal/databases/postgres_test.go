package databases

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib"

	"github.com/closurehealth/closure-go/closuresql"
)

// postgresVariable is the DSN of a PostgreSQL to test on. Empty: one is started, if
// it is installed; "start": one is started, and it is an error if it isn't installed.
const postgresVariable = "CLOSURE_TEST_POSTGRES"

var errNoPostgres = errors.New(
	"PostgreSQL is not installed: Debian's package is postgresql; or name a server in " + postgresVariable)

// A postgres is a server on a socket of its own.
type postgres struct {
	dir   string // of everything
	bin   string
	owner *syscall.Credential // nil: whoever runs the test
	stop  func()
}

var (
	startOnce = sync.OnceValues(func() (*postgres, error) {
		server, err := startPostgres()
		shared.Store(server)
		return server, err
	})
	shared atomic.Pointer[postgres]
)

func TestMain(m *testing.M) {
	if child() {
		return
	}
	code := m.Run()
	if server := shared.Load(); server != nil {
		server.stop()
	}
	os.Exit(code)
}

func startPostgres() (p *postgres, err error) {
	p = &postgres{}
	if p.bin, err = postgresBin(); err != nil {
		return nil, err
	}
	if p.owner, err = postgresOwner(); err != nil {
		return nil, err
	}
	if p.dir, err = os.MkdirTemp("", "pg"); err != nil { // short: a socket's path has at most 107 bytes
		return nil, err
	}
	if p.owner != nil {
		if err := os.Chown(p.dir, int(p.owner.Uid), int(p.owner.Gid)); err != nil {
			return nil, err
		}
	}
	if err := p.run("initdb", "--pgdata", p.data(), "--username", "postgres", "--auth", "trust"); err != nil {
		return nil, err
	}
	options := "\nlisten_addresses = ''\nunix_socket_directories = '" + p.dir + "'\nmax_connections = 200\n"
	file, err := os.OpenFile(filepath.Join(p.data(), "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return nil, err
	}
	_, err = file.WriteString(options)
	if err := errors.Join(err, file.Close()); err != nil {
		return nil, err
	}
	return p, errors.Join(p.control("start"), p.stopAtEnd())
}

// postgresBin is where the newest server that is installed has its programs.
func postgresBin() (string, error) {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb") // Debian's, which are not in the path
	if len(found) > 0 {
		slices.SortFunc(found, func(a, b string) int { return len(a) - len(b) + strings.Compare(a, b) })
		return filepath.Dir(found[len(found)-1]), nil
	}
	path, err := exec.LookPath("initdb")
	if err != nil {
		return "", errNoPostgres
	}
	return filepath.Dir(path), nil
}

// postgresOwner is somebody else than root, whom PostgreSQL refuses.
func postgresOwner() (*syscall.Credential, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	found, err := user.Lookup("postgres")
	if err != nil {
		found, err = user.Lookup("nobody")
	}
	if err != nil {
		return nil, err
	}
	uid, err := strconv.ParseUint(found.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(found.Gid, 10, 32)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, err
}

func (p *postgres) data() string { return filepath.Join(p.dir, "data") }

func (p *postgres) control(args ...string) error {
	always := []string{"--pgdata", p.data(), "--log", filepath.Join(p.dir, "log"), "--wait"}
	return p.run("pg_ctl", append(always, args...)...)
}

func (p *postgres) run(program string, args ...string) error {
	output, err := os.CreateTemp("", "out") // no pipe: the server would keep it open
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(output.Name()); _ = output.Close() }()
	cmd := exec.Command(filepath.Join(p.bin, program), args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = p.dir, output, output
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: p.owner}
	if err := cmd.Run(); err != nil {
		text, _ := os.ReadFile(output.Name())
		return fmt.Errorf("%s: %w\n%s", program, err, text)
	}
	return nil
}

// stopAtEnd lets another process stop the server when this one lets go of its
// standard input: also if it dies.
func (p *postgres) stopAtEnd() error {
	const script = `cat; "$1/pg_ctl" --pgdata "$2/data" --mode immediate --silent stop; rm -rf "$2"`
	cmd := exec.Command("sh", "-c", script, "sh", p.bin, p.dir)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: p.owner, Setpgid: true}
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	p.stop = func() { _, _ = in.Close(), cmd.Wait() }
	return cmd.Start()
}

// postgresDSN is that of the server to test on.
func postgresDSN(t testing.TB) string {
	t.Helper()
	if dsn := os.Getenv(postgresVariable); dsn != "" && dsn != "start" {
		return dsn
	}
	server, err := startOnce()
	if errors.Is(err, errNoPostgres) && os.Getenv(postgresVariable) == "" {
		t.Skip(err)
	}
	noError(t, err)
	return server.dsn()
}

func (p *postgres) dsn() string { return "host=" + p.dir + " user=postgres dbname=postgres" }

// ownPostgres is a server that no other test uses.
func ownPostgres(t testing.TB) *postgres {
	t.Helper()
	server, err := startPostgres()
	if errors.Is(err, errNoPostgres) && os.Getenv(postgresVariable) != "start" {
		t.Skip(err)
	}
	noError(t, err)
	t.Cleanup(server.stop)
	return server
}

func connectPostgres(d *database) func(testing.TB) *sql.DB {
	return func(t testing.TB) *sql.DB { t.Helper(); return connect(t, "pgx", d.dsn) }
}

// postgresDatabase is a schema of its own.
func postgresDatabase(t testing.TB) database {
	t.Helper()
	dsn, schema := postgresDSN(t), "test_"+strings.ToLower(rand.Text())
	admin := connect(t, "pgx", dsn)
	execute(t, admin, "CREATE SCHEMA "+schema)
	t.Cleanup(func() { execute(t, admin, "DROP SCHEMA "+schema+" CASCADE") })
	d := database{
		dialect: closuresql.PostgreSQL,
		dsn:     dsn,
		options: []closuresql.Option{closuresql.WithSchema(schema)},
		table:   schema + ".closure_journal",
	}
	d.connect = connectPostgres(&d)
	return d
}

func execute(t testing.TB, db *sql.DB, statement string, args ...any) {
	t.Helper()
	_, err := db.ExecContext(context.Background(), statement, args...)
	noError(t, err)
}

// withParameter adds one to a DSN of either form.
func withParameter(dsn, parameter string) string {
	switch {
	case !strings.Contains(dsn, "://"):
		return dsn + " " + parameter
	case strings.Contains(dsn, "?"):
		return dsn + "&" + parameter
	default:
		return dsn + "?" + parameter
	}
}
