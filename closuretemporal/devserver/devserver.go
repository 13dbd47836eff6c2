// Package devserver is a Temporal server in one process, with its data in one
// SQLite file, for tests and for trying package closuretemporal without a
// cluster. It is not for production: it has one process, no replication and no
// access control. `temporal server start-dev` of Temporal's own command line tool
// is the same server.
//
// It is a module of its own because it needs the whole server, whose first build
// takes some minutes.
package devserver

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"time"

	"go.temporal.io/server/common/authorization"
	"go.temporal.io/server/common/cluster"
	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/dynamicconfig"
	"go.temporal.io/server/common/log"
	sqliteplugin "go.temporal.io/server/common/persistence/sql/sqlplugin/sqlite"
	"go.temporal.io/server/schema/sqlite"
	"go.temporal.io/server/temporal"
)

// Options say where a [Server] keeps its data and where it listens.
type Options struct {
	File      string // the database; created if it doesn't exist
	Port      int    // on 127.0.0.1; if zero, a free one
	Namespace string // if empty, "default"
}

// A Server is a running Temporal server.
type Server struct {
	server  temporal.Server
	address string
}

// Address returns where the server listens, in the form of HostPort in client.Options.
func (s *Server) Address() string { return s.address }

// Stop stops the server. Its file can be opened again.
func (s *Server) Stop() error { return s.server.Stop() }

const loopback = "127.0.0.1"

// Start starts a server and returns when it accepts requests. The server logs only fatal
// errors.
func Start(o Options) (*Server, error) {
	if o.File == "" {
		return nil, errors.New("devserver: File is empty")
	}
	if o.Namespace == "" {
		o.Namespace = "default"
	}
	// One port for the front end, three for the services behind it, and four for their
	// membership protocol.
	ports, err := freePorts(8)
	if err != nil {
		return nil, err
	}
	if o.Port != 0 {
		ports[0] = o.Port
	}
	cfg := configure(o.File, ports)
	if err := prepare(cfg, o); err != nil {
		return nil, fmt.Errorf("devserver: the database: %w", err)
	}
	server, err := temporal.NewServer(
		temporal.WithConfig(cfg),
		temporal.ForServices(temporal.DefaultServices),
		temporal.WithLogger(log.NewZapLogger(log.BuildZapLogger(log.Config{Level: "fatal"}))),
		temporal.WithAuthorizer(authorization.NewNoopAuthorizer()),
		temporal.WithDynamicConfigClient(dynamicconfig.StaticClient{}),
	)
	if err != nil {
		return nil, fmt.Errorf("devserver: %w", err)
	}
	if err := server.Start(); err != nil {
		return nil, fmt.Errorf("devserver: %w", err)
	}
	return &Server{server, cfg.PublicClient.HostPort}, nil
}

func prepare(cfg *config.Config, o Options) error {
	store := cfg.Persistence.DataStores[sqliteplugin.PluginName].SQL
	if _, err := os.Stat(o.File); os.IsNotExist(err) {
		if err := sqlite.SetupSchema(store); err != nil {
			return err
		}
	}
	namespace, err := sqlite.NewNamespaceConfig(clusterName, o.Namespace, false, nil)
	if err != nil {
		return err
	}
	return sqlite.CreateNamespaces(store, namespace)
}

const clusterName = "active"

func configure(file string, ports []int) *config.Config {
	cfg := &config.Config{}
	front := net.JoinHostPort(loopback, strconv.Itoa(ports[0]))
	cfg.Global.Membership = config.Membership{MaxJoinDuration: 30 * time.Second, BroadcastAddress: loopback}
	cfg.Persistence = config.Persistence{
		DefaultStore:     sqliteplugin.PluginName,
		VisibilityStore:  sqliteplugin.PluginName,
		NumHistoryShards: 1,
		DataStores: map[string]config.DataStore{sqliteplugin.PluginName: {SQL: &config.SQL{
			PluginName:        sqliteplugin.PluginName,
			DatabaseName:      file,
			ConnectAttributes: map[string]string{"mode": "rwc", "_journal_mode": "wal", "_synchronous": "1"},
		}}},
	}
	cfg.ClusterMetadata = &cluster.Config{
		FailoverVersionIncrement: 10,
		MasterClusterName:        clusterName,
		CurrentClusterName:       clusterName,
		ClusterInformation: map[string]cluster.ClusterInformation{
			clusterName: {Enabled: true, InitialFailoverVersion: 1, RPCAddress: front},
		},
	}
	cfg.DCRedirectionPolicy.Policy = "noop"
	cfg.Services = make(map[string]config.Service)
	for i, name := range []string{"frontend", "history", "matching", "worker"} {
		cfg.Services[name] = config.Service{RPC: config.RPC{
			GRPCPort: ports[i], MembershipPort: ports[4+i], BindOnIP: loopback,
		}}
	}
	cfg.Archival.History.State, cfg.Archival.Visibility.State = "disabled", "disabled"
	cfg.NamespaceDefaults.Archival.History.State = "disabled"
	cfg.NamespaceDefaults.Archival.Visibility.State = "disabled"
	cfg.PublicClient.HostPort = front
	return cfg
}

// freePorts returns ports that nobody listens on now. They are below those that the kernel gives
// to outgoing connections, of which a server makes many before it listens.
func freePorts(n int) (ports []int, err error) {
	for tries := 0; len(ports) < n; tries++ {
		port := 1<<14 + rand.IntN(1<<14)
		listener, err := net.Listen("tcp", net.JoinHostPort(loopback, strconv.Itoa(port)))
		switch {
		case err == nil:
			defer func() { _ = listener.Close() }() // only at the end, so that the ports differ
			ports = append(ports, port)
		case tries >= 100:
			return nil, fmt.Errorf("devserver: %w", err)
		}
	}
	return ports, nil
}
