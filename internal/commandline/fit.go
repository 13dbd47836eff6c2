package commandline

import (
	"bytes"
	"io"
	"os"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Width is how many columns a line may have: what COLUMNS says, else what the
// terminal says. It is 0, which means any number, if the file is not a terminal.
func Width(file *os.File) int {
	if columns, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && columns > 0 {
		return columns
	}
	if !IsTerminal(file) {
		return 0
	}
	if columns := columns(file); columns > 0 {
		return columns
	}
	return pageWidth // a terminal that doesn't say
}

// IsTerminal reports whether somebody sees what is written to the file.
func IsTerminal(file *os.File) bool {
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// Fit returns a writer that breaks lines of more than width columns at blanks, and
// begins the next line with indent blanks. A width of 0 breaks nothing. A line must be
// ended by a line feed to be written.
func Fit(out io.Writer, width, indent int) io.Writer {
	if width <= 0 {
		return out
	}
	return &fitter{out: out, width: max(width, indent+minWidth), indent: strings.Repeat(" ", indent)}
}

// minWidth is left beside an indent, however narrow the terminal is.
const minWidth = 20

type fitter struct {
	out     io.Writer
	width   int
	indent  string
	pending []byte
}

func (f *fitter) Write(text []byte) (int, error) {
	f.pending = append(f.pending, text...)
	for {
		line, rest, found := bytes.Cut(f.pending, []byte("\n"))
		if !found {
			return len(text), nil
		}
		if _, err := io.WriteString(f.out, wrap(string(line), f.width, f.indent)+"\n"); err != nil {
			return 0, err
		}
		f.pending = rest
	}
}

// wrap breaks a line at its blanks. A line that fits, and a word that is wider than
// the line, stay as they are.
func wrap(line string, width int, indent string) string {
	if utf8.RuneCountInString(line) <= width {
		return line
	}
	var broken strings.Builder
	for {
		at := breakBefore(line, width)
		if at < 0 {
			return broken.String() + line
		}
		broken.WriteString(strings.TrimRight(line[:at], " ") + "\n")
		line = indent + strings.TrimLeft(line[at:], " ")
		if utf8.RuneCountInString(line) <= width {
			return broken.String() + line
		}
	}
}

// breakBefore is where a line that is too wide can be broken: at the last blank that is
// inside the width, else at the next one. Blanks that a line begins with are no place.
func breakBefore(line string, width int) int {
	last, column, begun := -1, 0, false
	for i, r := range line {
		if r == ' ' && begun {
			if column > width {
				if last < 0 {
					last = i
				}
				return last
			}
			last = i
		}
		begun = begun || r != ' '
		column++
	}
	return last
}
