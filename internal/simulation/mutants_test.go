package simulation

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// mutantRun is the variable's value in the child process that runs a mutant.
const mutantRun = "mutant"

// TestMutants breaks the code on purpose, each time in another way. The matrix must find every
// one: a mutant that survives is a gap in the tests.
func TestMutants(t *testing.T) {
	switch mode := os.Getenv(variable); {
	case mode == mutantRun:
		t.Skip("this is the run of a mutant")
	case mode != "full" && mode != "mutants":
		checkMutants(t)
		return
	}
	t.Run("control", func(t *testing.T) { publish(t, "mutants", kill(t, mutants, "^TestMatrix$/^control$")) })
	t.Run("journal", func(t *testing.T) {
		publish(t, "journal-mutants", kill(t, journalMutants, "^TestMatrix$/^journal$"))
	})
}

// kill runs each mutant in the named part of the matrix, and returns the table of what killed
// it.
func kill(t *testing.T, mutants []mutant, matrix string) string {
	killers := make([]string, len(mutants))
	shown := progress(t, "mutants", len(mutants))
	t.Run("mutant", func(t *testing.T) {
		for i, m := range mutants {
			t.Run(m.name, func(t *testing.T) {
				t.Parallel()
				defer shown.Step()
				if killers[i] = m.run(t, matrix); killers[i] == "" {
					t.Error("survives: the matrix doesn't see it")
				}
			})
		}
	})
	return mutantTable(mutants, killers)
}

// checkMutants is the short form: it checks that each mutant still fits the code.
func checkMutants(t *testing.T) {
	for _, m := range append(slices.Clip(mutants), journalMutants...) {
		m.apply(t)
	}
}

// A mutant is one replacement in one file, which must fit exactly once. Its guards are
// replaced too.
type mutant struct{ name, file, from, to string }

// apply returns the mutated files, by path.
func (m mutant) apply(t *testing.T) map[string]string {
	t.Helper()
	texts := map[string]string{}
	for _, m := range append([]mutant{m}, guards[m.name]...) {
		path, err := filepath.Abs(filepath.Join("..", "..", m.file))
		noError(t, err)
		source := texts[path]
		if source == "" {
			read, err := os.ReadFile(path)
			noError(t, err)
			source = string(read)
		}
		if n := strings.Count(source, m.from); n != 1 {
			t.Fatalf("mutant %q fits %s %d times, want once", m.name, m.file, n)
		}
		texts[path] = strings.Replace(source, m.from, m.to, 1)
	}
	return texts
}

// run compiles the mutant, runs the short form of the matrix, and returns the zeros that it
// violated.
func (m mutant) run(t *testing.T, matrix string) (killed string) {
	dir := t.TempDir()
	replace := map[string]string{}
	for path, text := range m.apply(t) {
		replace[path] = filepath.Join(dir, "mutated_"+filepath.Base(path))
		noError(t, os.WriteFile(replace[path], []byte(text), 0o600))
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	noError(t, err)
	overlayFile := filepath.Join(dir, "overlay.json")
	noError(t, os.WriteFile(overlayFile, overlay, 0o600))
	binary := filepath.Join(dir, "simulation.test")
	build := exec.Command("go", "test", "-c", "-overlay", overlayFile, "-o", binary, ".")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("does not compile: %v\n%s", err, out)
	}
	cmd := exec.Command(binary, "-test.run", matrix, "-test.timeout", "10m", "-test.parallel", "1")
	cmd.Env = append(os.Environ(), variable+"="+mutantRun)
	out, err := cmd.CombinedOutput()
	killed = violations(string(out))
	if killed == "" && err != nil {
		t.Errorf("fails, but violates no zero: %v\n%s", err, tail(string(out)))
	}
	return killed
}

var violation = regexp.MustCompile(`ZERO VIOLATED: ([^:]+): (\d+) times`)

// violations sums up how often each zero was violated.
func violations(output string) string {
	counts := map[string]int{}
	var names []string
	for _, match := range violation.FindAllStringSubmatch(output, -1) {
		n, _ := strconv.Atoi(match[2]) // the expression matches only digits
		if counts[match[1]] == 0 {
			names = append(names, match[1])
		}
		counts[match[1]] += n
	}
	slices.SortFunc(names, func(a, b string) int { return counts[b] - counts[a] })
	for i, name := range names {
		names[i] = name + " (" + strconv.Itoa(counts[name]) + ")"
	}
	return strings.Join(names, ", ")
}

func tail(text string) string { return text[max(0, len(text)-2000):] }

func mutantTable(of []mutant, killers []string) string {
	var b strings.Builder
	b.WriteString("| mutant | file | killed by (violations) |\n| --- | --- | --- |\n")
	for i, m := range of {
		killed := killers[i]
		if killed == "" {
			killed = "**survives**"
		}
		b.WriteString("| " + m.name + " | " + m.file + " | " + killed + " |\n")
	}
	return b.String()
}

func noError(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
