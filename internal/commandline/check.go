package commandline

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"strconv"
	"time"
)

// DurationVar is flag's own, with a reason that shows the form of what is wanted.
func DurationVar(flags *flag.FlagSet, p *time.Duration, name string, value time.Duration, usage string) {
	*p = value
	flags.Var((*duration)(p), name, usage)
}

type duration time.Duration

func (d *duration) String() string { return time.Duration(*d).String() }

func (d *duration) Set(text string) error {
	value, err := time.ParseDuration(text)
	if err != nil {
		return errors.New("want a duration such as 500ms, 5s or 15m")
	}
	*d = duration(value)
	return nil
}

// NoArguments refuses arguments that are no flags. It doesn't repeat them: one may be a key.
func NoArguments(flags *flag.FlagSet) error {
	if flags.NArg() > 0 {
		return errors.New("there are no arguments besides the flags")
	}
	return nil
}

// IsSet reports whether the flag was given.
func IsSet(flags *flag.FlagSet, name string) (set bool) {
	flags.Visit(func(f *flag.Flag) { set = set || f.Name == name })
	return set
}

// CheckAddress refuses what the flag holds if it is not host:port.
func CheckAddress(flag, address string) error {
	_, port, err := net.SplitHostPort(address)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return fmt.Errorf("-%s %q is not host:port", flag, address)
	}
	return nil
}

// Listen listens on the address that the flag holds.
func Listen(ctx context.Context, flag, address string) (net.Listener, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("%w: give another -%s; port 0 takes any that is free", err, flag)
	}
	return listener, nil
}
