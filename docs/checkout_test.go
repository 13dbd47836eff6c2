package docs

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const checkoutProgram = `package main

import _ "github.com/closurehealth/closure-go/closuretest"

func main() {}
`

// The README says how a program of another module uses a checkout. Its commands are
// run here for a program beside the checkout, without a module proxy; the program is
// resolved and not compiled, which takes long in a directory that is new each time.
func TestCheckoutFromAnotherModule(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(readme), "### A checkout in the place of a release")
	section, _, _ = strings.Cut(section, "\n## ")
	var blocks []string
	for _, block := range regexp.MustCompile(`(?m)(?:^    .*\n)+`).FindAllString(section, -1) {
		blocks = append(blocks, strings.TrimSpace(strings.ReplaceAll(block, "\n    ", "\n")))
	}
	if len(blocks) != 2 {
		t.Fatalf("%d blocks of commands, want 2: %q", len(blocks), blocks)
	}
	for _, block := range blocks {
		t.Run(strings.Fields(block)[1], func(t *testing.T) {
			t.Parallel()
			run := besideTheCheckout(t)
			if output, ok := run("go", "list", "-deps"); ok {
				t.Fatalf("it is found without the commands: %s", output)
			}
			for line := range strings.Lines(block) {
				if output, ok := run(strings.Fields(line)...); !ok {
					needsModuleProxy(t, output)
					t.Fatalf("%s: %s", line, output)
				}
			}
			output, ok := run("go", "list", "-deps")
			if !ok {
				needsModuleProxy(t, output)
			}
			if !ok || !strings.Contains(output, "closure-go/closuretest\n") {
				t.Errorf("go list: %s", output)
			}
		})
	}
	t.Run("replace alone", func(t *testing.T) {
		t.Parallel()
		run := besideTheCheckout(t)
		run(strings.Fields(strings.Split(blocks[0], "\n")[0])...)
		if output, ok := run("go", "list", "-deps"); ok || !strings.Contains(output, "is replaced but not required") {
			t.Errorf("go list: %s", output)
		}
	})
}

// needsModuleProxy skips the test if the commands lack a module that go test didn't
// need, such as one of a dependency's tests, and can't get it. In CI they must.
func needsModuleProxy(t *testing.T, output string) {
	t.Helper()
	unreachable := regexp.MustCompile(`dial tcp|module lookup disabled by GOPROXY=off`)
	if os.Getenv("CI") == "" && unreachable.MatchString(output) {
		t.Skipf("no module proxy can be reached: %s", output)
	}
}

// besideTheCheckout makes a new module with a program that imports closuretest, in a
// directory that has the checkout at ../closure-go.
func besideTheCheckout(t *testing.T) (run func(command ...string) (output string, ok bool)) {
	t.Helper()
	parent := t.TempDir()
	checkout, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(parent, "program")
	for _, err := range []error{
		os.Symlink(checkout, filepath.Join(parent, "closure-go")),
		os.Mkdir(program, 0o700),
		os.WriteFile(filepath.Join(program, "main.go"), []byte(checkoutProgram), 0o600),
		os.WriteFile(filepath.Join(program, "go.mod"), []byte("module example.com/program\n\ngo 1.26.0\n"), 0o600),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return func(command ...string) (string, bool) {
		cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
		cmd.Dir = program
		// Nobody may be asked for our own module; its dependencies may come from the proxy.
		cmd.Env = append(os.Environ(), "GONOPROXY=github.com/closurehealth/*", "GOVCS=*:off", "GONOSUMDB=*", "GOFLAGS=", "GOWORK=")
		output, err := cmd.CombinedOutput()
		return string(output), err == nil
	}
}
