package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"
)

// terminal is a program on a pseudo-terminal.
type terminal struct {
	*testing.T
	cmd   *exec.Cmd
	tty   *os.File
	mu    sync.Mutex
	all   bytes.Buffer // all that it wrote
	read  int          // how far expect has read
	ended chan struct{}
}

func onTerminal(t *testing.T, args ...string) *terminal {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	x := &terminal{T: t, cmd: exec.Command(self, args...), ended: make(chan struct{})}
	x.cmd.Args[0] = "gorqa"
	if x.tty, err = pty.StartWithSize(x.cmd, &pty.Winsize{Rows: 50, Cols: 200}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = x.cmd.Process.Kill(); _ = x.tty.Close() })
	go func() {
		defer close(x.ended)
		buffer := make([]byte, 4096)
		for {
			n, err := x.tty.Read(buffer)
			x.mu.Lock()
			x.all.Write(buffer[:n])
			x.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	return x
}

// keys types.
func (x *terminal) keys(text string) {
	x.Helper()
	if _, err := x.tty.WriteString(text); err != nil {
		x.Fatal(err)
	}
}

// expect waits for a text and gives what stood before it.
func (x *terminal) expect(text string) (before string) {
	x.Helper()
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		x.mu.Lock()
		before, _, found := strings.Cut(x.all.String()[x.read:], text)
		if found {
			x.read += len(before) + len(text)
		}
		x.mu.Unlock()
		if found {
			return strings.ReplaceAll(before, "\r\n", "\n")
		}
	}
	x.Fatalf("%q did not come; what did:\n%s", text, x.all.String())
	return ""
}

// TestAskIsAChatOnATerminal: the answers are those that come as JSON from a pipe, with
// their sources on demand; a question follows on the one before it until /new; Ctrl-C
// stops an answer and nothing else.
func TestAskIsAChatOnATerminal(t *testing.T) {
	if testing.Short() {
		t.Skip("answers questions for seconds")
	}
	dir, common := toServe(t)
	common = append(common, "--history", "concat")
	questions := questionsOf(t, dir)[:2]
	want := answersAsJSON(t, questions, common)

	x := onTerminal(t, append([]string{"ask"}, common...)...)
	x.expect("/help tells what else there is")
	x.expect("> ")
	x.keys("/source 1\r")
	x.expect("There is no answer yet.")
	x.keys(questions[0] + "\r")
	x.expect(questions[0] + "\r\n")
	if got := x.expect("\r\n\r\nFrom:\r\n"); got != want[0].Answer {
		t.Errorf("%q; expected %q, as from a pipe", got, want[0].Answer)
	}
	x.expect("  [2] ")
	x.expect("> ")
	x.keys("/source 2\r")
	if got := x.expect("> "); !strings.Contains(got, want[0].Citations[1].Text) {
		t.Errorf("%q; expected the text of the second passage, %q", got, want[0].Citations[1].Text)
	}
	x.keys("/source 3\r")
	x.expect("3: 1 to 2 expected")
	x.keys("And that?\r")
	x.expect("(asked: " + questions[0] + " And that?)")
	x.expect("> ")
	x.keys("/new\r")
	x.expect("A new conversation.")
	x.keys(questions[1] + "\r")
	x.expect(questions[1] + "\r\n")
	if got := x.expect("\r\n\r\nFrom:\r\n"); got != want[1].Answer {
		t.Errorf("after /new: %q; expected %q, as from a pipe", got, want[1].Answer)
	}
	x.expect("> ")
	x.keys("/sauce\r")
	x.expect("/sauce is no command; /help lists them.")
	x.keys("/help\r")
	x.expect("/quit       end")
	x.expect("> ")
	x.keys("/quit\r")
	<-x.ended
	if err := x.cmd.Wait(); err != nil {
		t.Errorf("/quit: %v", err)
	}

	x = onTerminal(t, append(append([]string{"ask"}, common...), "--eval_max_new_tokens", "1700", "--prompt_lookup_num_tokens", "0")...)
	x.expect("> ")
	x.keys(questions[0] + "\r")
	x.expect(questions[0] + "\r\n")
	x.expect(" ") // the answer is under way
	x.keys("\x03")
	x.expect("(Stopped.)")
	x.expect("> ")
	x.keys("\x04") // Ctrl-D
	<-x.ended
	if err := x.cmd.Wait(); err != nil {
		t.Errorf("Ctrl-D: %v", err)
	}
}

// saidAsJSON is what the test reads of ask --json.
type saidAsJSON struct {
	Answer    string
	Answered  bool
	Citations []struct{ Text string }
}

func answersAsJSON(t *testing.T, questions, args []string) (all []saidAsJSON) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, append([]string{"ask", "--json"}, args...)...)
	cmd.Args[0] = "gorqa"
	cmd.Stdin = strings.NewReader(strings.Join(questions, "\n") + "\n")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	for d := json.NewDecoder(bytes.NewReader(out)); d.More(); {
		var one saidAsJSON
		if err := d.Decode(&one); err != nil {
			t.Fatal(err)
		}
		all = append(all, one)
	}
	if len(all) != len(questions) || !all[0].Answered || len(all[0].Citations) != 2 {
		t.Fatalf("%+v; expected an answer with two citations to each of %d questions", all, len(questions))
	}
	return all
}
