package closuresql_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/closurehealth/closure-go/closuresql"
)

// A codeless is a driver of SQLite whose errors have no codes, as mattn's. It answers with
// the error if it is asked for the tables.
type codeless struct{ err error }

func (c codeless) Connect(context.Context) (driver.Conn, error) { return c, nil }
func (c codeless) Driver() driver.Driver                        { return nil }
func (c codeless) Prepare(string) (driver.Stmt, error)          { return nil, errors.ErrUnsupported }
func (c codeless) Close() error                                 { return nil }
func (c codeless) Begin() (driver.Tx, error)                    { return nil, errors.ErrUnsupported }

func (c codeless) QueryContext(_ context.Context, query string, _ []driver.NamedValue) (driver.Rows, error) {
	if strings.Contains(query, "closure_journal") {
		return nil, c.err
	}
	return &settings{}, nil
}

// settings is one row that says 2: any version, and settings that lose nothing.
type settings struct{ read bool }

func (*settings) Columns() []string { return []string{"value"} }
func (*settings) Close() error      { return nil }

func (s *settings) Next(row []driver.Value) error {
	if s.read {
		return io.EOF
	}
	s.read, row[0] = true, "2"
	return nil
}

func TestTablesAreMissingOnlyIfTheDriverSaysSo(t *testing.T) {
	t.Parallel()
	for text, missing := range map[string]bool{
		"no such table: closure_journal_meta": true,
		"database is locked":                  false,
	} {
		_, err := closuresql.Open(t.Context(), closuresql.SQLite, sql.OpenDB(codeless{errors.New(text)}))
		if errors.Is(err, closuresql.ErrNotMigrated) != missing {
			t.Errorf("%s: %v", text, err)
		}
	}
}
