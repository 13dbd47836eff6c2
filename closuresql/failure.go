package closuresql

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"syscall"
)

// A failure is what a driver's error means. Its text is this package's own, under every verb:
// a driver's can show the user, the host or the file.
type failure struct {
	text  string
	cause error
}

func (f *failure) Error() string { return f.text }

func (f *failure) Unwrap() error { return f.cause }

func (f failure) Format(s fmt.State, _ rune) { _, _ = s.Write([]byte(f.text)) }

// failed says which function failed, and the package's name once.
func failed(op string, err error) error {
	cause := err
	if f, ok := errors.AsType[*failure](err); ok {
		cause = f.cause
	}
	return &failure{"closuresql: " + op + ": " + strings.TrimPrefix(err.Error(), "closuresql: "), cause}
}

// because is what can't be done, and the driver's reason.
func (c *config) because(what string, err error) error {
	return &failure{what + ": " + c.reason(err), err}
}

// A stateError is PostgreSQL's, by pgx or lib/pq.
type stateError interface {
	error
	SQLState() string
}

// A codeError is SQLite's, by modernc.org/sqlite.
type codeError interface {
	error
	Code() int
}

// reason says in this package's words what a driver's error means.
func (c *config) reason(err error) string {
	if errors.Is(err, context.Canceled) {
		return "the context was cancelled"
	}
	if e, ok := errors.AsType[stateError](err); ok {
		return reasonOfState(e.SQLState())
	}
	if e, ok := errors.AsType[codeError](err); ok && c.dialect == SQLite {
		return reasonOfCode(e.Code())
	}
	if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() { // context.DeadlineExceeded is one, too
		return "no answer came in time"
	}
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return "its host name can't be resolved"
	}
	if lost(err) {
		return "the connection was lost"
	}
	if err.Error() == "sql: database is closed" { // database/sql doesn't export it
		return "the sql.DB is closed"
	}
	if number, ok := errors.AsType[syscall.Errno](err); ok {
		return number.Error()
	}
	return "the driver's error says why, which errors.Unwrap returns: it may show the DSN"
}

// lost reports whether a connection ended before there was an answer.
func lost(err error) bool {
	if e, ok := errors.AsType[stateError](err); ok {
		return strings.HasPrefix(e.SQLState(), "57P") || strings.HasPrefix(e.SQLState(), "08")
	}
	return errors.Is(err, driver.ErrBadConn) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, net.ErrClosed)
}

func reasonOfState(state string) string {
	reason := "the server refuses it"
	switch state {
	case "28000", "28P01":
		reason = "the server refuses the user or the password"
	case "3D000":
		reason = "the server has no database of that name"
	case "3F000":
		reason = "the database has no such schema"
	case "25006":
		reason = "the database can only be read: is it a replica?"
	case "42P01", "42703":
		reason = "a table or a column is missing"
	case "42501":
		reason = "the role lacks a permission"
	case "53300":
		reason = "the server has too many connections"
	case "57P01", "57P02", "57P03":
		reason = "the server is starting or stopping"
	}
	return reason + " (SQLSTATE " + state + ")"
}

func reasonOfCode(code int) string {
	reason := "SQLite refuses it"
	switch code & 0xff { // the rest says more of the same
	case 1:
		reason = "the statement can't be run: is a table or a column missing?"
	case 5, 6:
		reason = "another connection has it locked"
	case 8:
		reason = "the database can only be read: is mode=ro or query_only in its DSN, or may this process not write its file?"
	case 11:
		reason = "the file is damaged"
	case 13:
		reason = "the disk is full"
	case 14:
		reason = "its file can't: is it a file, does its directory exist, and may this process write there?"
	case 26:
		reason = "the file is not a SQLite database"
	}
	return reason + " (SQLite's code " + strconv.Itoa(code) + ")"
}

// locked reports whether SQLite refused because another connection has the database locked. Not
// every driver of it has codes.
func locked(err error) bool {
	if e, ok := errors.AsType[codeError](err); ok {
		return e.Code()&0xff == 5
	}
	return err != nil && strings.Contains(err.Error(), "database is locked")
}

// undone reports whether PostgreSQL rolled the transaction back because of another one: a deadlock,
// or a conflict.
func undone(err error) bool {
	e, ok := errors.AsType[stateError](err)
	return ok && (e.SQLState() == "40P01" || e.SQLState() == "40001")
}

// missing reports whether the error can mean that a table isn't there. SQLite has no code for
// that, and not every driver of it has codes.
func (c *config) missing(err error) bool {
	if e, ok := errors.AsType[stateError](err); ok {
		return e.SQLState() == "42P01" || e.SQLState() == "3F000"
	}
	return errors.Is(err, sql.ErrNoRows) || c.dialect == SQLite && strings.Contains(err.Error(), "no such table")
}
