// Package commandline is what the repository's programs share on a terminal: the form
// of -h, the terminal's width, and a line that shows how far a long command is.
package commandline

import (
	"flag"
	"fmt"
	"strings"
)

// A Page is what -h prints. It is the same for every program: what the program does,
// how it is called, its flags, and then what else it needs, a section each.
type Page struct {
	About    string // one sentence or a few, in lines that fit
	Usage    string // how it is called, a line each
	Flags    *flag.FlagSet
	Sections []Section
}

// A Section is a part of a page.
type Section struct {
	Title string // "Environment"
	Text  string // printed as it is, indented
}

// ExitCodes is the section that all programs have. failed says what 1 means.
func ExitCodes(failed string) Section {
	return Section{Title: "Exit codes", Text: "0  it is done\n1  " + failed + "\n2  a flag or an argument is wrong"}
}

// SeeHelp ends the one line that a wrong flag is answered with.
const SeeHelp = "(-h lists the flags)"

// pageWidth fits every terminal, and files.
const pageWidth = 80

func (p Page) String() string {
	var text strings.Builder
	text.WriteString(p.About + "\n")
	section(&text, Section{"Usage", p.Usage})
	if flags := describe(p.Flags); flags != "" {
		section(&text, Section{"Flags", flags})
	}
	for _, s := range p.Sections {
		section(&text, s)
	}
	return text.String()
}

func section(text *strings.Builder, s Section) {
	text.WriteString("\n" + s.Title + ":\n")
	for line := range strings.Lines(s.Text) {
		text.WriteString("  " + strings.TrimSuffix(line, "\n") + "\n")
	}
}

// describe prints flags as package flag does, but no wider than a page.
func describe(flags *flag.FlagSet) string {
	var text strings.Builder
	flags.VisitAll(func(f *flag.Flag) {
		name, usage := flag.UnquoteUsage(f)
		if _, ok := f.Value.(*duration); ok && name == "value" {
			name = "duration" // as package flag names its own
		}
		if f.DefValue != "" && f.DefValue != "0" && f.DefValue != "0s" && f.DefValue != "false" {
			usage += fmt.Sprintf(" (default %s)", f.DefValue)
		}
		text.WriteString(strings.TrimSuffix("-"+f.Name+" "+name, " ") + "\n")
		text.WriteString(wrap("    "+usage, pageWidth-2, "    ") + "\n")
	})
	return strings.TrimSuffix(text.String(), "\n")
}
