package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"gorqa/files/wheel"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"gorqa": main, "documented": documented})
}

// writeQuestions is a chat model that asks for the last words of its first passage, as
// models reply: after thoughts, in a fence; some replies are no good.
func writeQuestions(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "/refused") {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	var body struct{ Messages []struct{ Content string } }
	if json.NewDecoder(r.Body).Decode(&body) != nil || len(body.Messages) == 0 {
		return // of a program that was killed while it asked
	}
	time.Sleep(10 * time.Millisecond)
	asked := body.Messages[len(body.Messages)-1].Content
	_, passage, _ := strings.Cut(asked, "Content:\n")
	passage, _, _ = strings.Cut(passage, "\n\n")
	words := strings.Fields(strings.ReplaceAll(passage, `"`, ""))
	n := len(words)
	reply := fmt.Sprintf("<think>Let me see.</think>\n```json\n{\"questions\": [{\"question\": %q, \"answer\": %q}]}\n```", "In short: "+strings.Join(words[:n-3], " ")+" what?", strings.Join(words[n-3:], " "))
	switch {
	case n%7 == 0:
		reply = "I'd rather not."
	case n%5 == 0:
		reply = `{"question": "What is said of it here, in a few words?", "answer": "Something else, which is not there."}`
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"choices": []any{map[string]any{"message": map[string]string{"content": reply}}}, "usage": map[string]int{"prompt_tokens": 100, "completion_tokens": 20}})
}

// stopAtReplies runs a program until a folder has so many replies, and sends it a signal.
// Interrupted, it must say how to go on.
func stopAtReplies(by syscall.Signal, folder string, n int, program string, args []string, dir string, env []string) error {
	cmd := exec.Command(program, args...)
	var said bytes.Buffer
	cmd.Dir, cmd.Env, cmd.Stderr = dir, append(os.Environ(), env...), &said
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for until := time.Now().Add(time.Minute); time.Now().Before(until); time.Sleep(time.Millisecond) {
		if kept, _ := filepath.Glob(filepath.Join(folder, "*.json")); len(kept) >= n {
			break
		}
	}
	_ = cmd.Process.Signal(by)
	if err := <-ended; err == nil {
		return errors.New("it ended before it was stopped")
	}
	if code := cmd.ProcessState.ExitCode(); by == syscall.SIGINT && (code != stopped+int(by) || !strings.Contains(said.String(), "the same command goes on")) {
		return fmt.Errorf("exit code %d, and it said %s", code, said.String())
	}
	return nil
}

// TestScripts runs testdata/script/*.txtar. "exits CODE PROGRAM ARGS" runs a
// program that must end with that code; "models" makes the folder model, tiny
// and with random weights, and puts the engine and the fetched models into the
// cache; "judge" starts an endpoint that finds every answer correct but those to
// questions with the word odd, to which it replies with nothing.
func TestScripts(t *testing.T) {
	faire, err := filepath.Abs("../../../shared/data/faire")
	if err != nil {
		t.Fatal(err)
	}
	gguf, err := filepath.Abs("../../files/weights/testdata/tiny-llama-f32.gguf")
	if err != nil {
		t.Fatal(err)
	}
	documents, err := filepath.Abs("../../text/document/testdata")
	if err != nil {
		t.Fatal(err)
	}
	convert, err := filepath.Abs("../../text/convert/testdata")
	if err != nil {
		t.Fatal(err)
	}
	rerankers, err := filepath.Abs("../../qa/testdata/rerankers")
	if err != nil {
		t.Fatal(err)
	}
	examples, err := filepath.Abs("../../examples")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			env.Setenv("FAIRE", faire)
			env.Setenv("GGUF", gguf)
			env.Setenv("RERANKERS", rerankers)
			env.Setenv("EXAMPLES", examples)
			env.Setenv("DOCUMENTS", documents)
			env.Setenv("CONVERT", convert)
			env.Setenv("GORQA_CACHE", filepath.Join(env.WorkDir, "cache"))
			return nil
		},
		// gpu: an NVIDIA GPU's driver is there.
		Condition: func(name string) (bool, error) {
			if name != "gpu" {
				return false, fmt.Errorf("condition %q is not known", name)
			}
			_, err := os.Stat("/dev/nvidiactl")
			return err == nil, nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"models": func(ts *testscript.TestScript, _ bool, _ []string) {
				ts.Check(os.Mkdir(ts.Getenv("GORQA_CACHE"), 0o755))
				ts.Check(linkModels(ts.Getenv("GORQA_CACHE")))
				ts.Check(smallModel(context.Background(), ts.MkAbs("model")))
			},
			"judge": func(ts *testscript.TestScript, _ bool, _ []string) {
				server := judgeServer(func(asked []byte) string {
					if bytes.Contains(asked, []byte("odd")) {
						return ""
					}
					return "So it is.\nVERDICT: correct"
				})
				ts.Defer(server.Close)
				ts.Setenv("OPENAI_BASE_URL", server.URL)
			},
			// writer starts an endpoint that writes questions.
			"writer": func(ts *testscript.TestScript, _ bool, _ []string) {
				server := httptest.NewServer(http.HandlerFunc(writeQuestions))
				ts.Defer(server.Close)
				ts.Setenv("OPENAI_BASE_URL", server.URL)
			},
			// stopped SIGNAL N PROGRAM ARGS sends the program KILL or INT once N replies are kept.
			"stopped": func(ts *testscript.TestScript, _ bool, args []string) {
				n, err := strconv.Atoi(args[1])
				ts.Check(err)
				ts.Check(stopAtReplies(map[string]syscall.Signal{"KILL": syscall.SIGKILL, "INT": syscall.SIGINT}[args[0]], filepath.Join(ts.Getenv("GORQA_CACHE"), "replies"), n, args[2], args[3:], ts.MkAbs("."), []string{"GORQA_CACHE=" + ts.Getenv("GORQA_CACHE"), "OPENAI_BASE_URL=" + ts.Getenv("OPENAI_BASE_URL"), "OPENAI_API_KEY=k"}))
			},
			// flip FILE flips a bit in its middle.
			"flip": func(ts *testscript.TestScript, _ bool, args []string) {
				data := []byte(ts.ReadFile(args[0]))
				data[len(data)/2] ^= 1
				ts.Check(os.WriteFile(ts.MkAbs(args[0]), data, 0o644))
			},
			// older FILE makes a trainer_state.json one of a version that did not keep
			// what the run was made of.
			"older": func(ts *testscript.TestScript, _ bool, args []string) {
				var state map[string]any
				ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[0])), &state))
				delete(state, "made_of")
				data, err := json.Marshal(state)
				ts.Check(err)
				ts.Check(os.WriteFile(ts.MkAbs(args[0]), data, 0o644))
			},
			"exits": func(ts *testscript.TestScript, negative bool, args []string) {
				if negative || len(args) < 2 {
					ts.Fatalf("usage: exits CODE PROGRAM ARGS...")
				}
				want, err := strconv.Atoi(args[0])
				ts.Check(err)
				got := 0
				var exit *exec.ExitError
				if err := ts.Exec(args[1], args[2:]...); errors.As(err, &exit) {
					got = exit.ExitCode()
				} else {
					ts.Check(err)
				}
				if got != want {
					ts.Fatalf("exit code %d; %d expected", got, want)
				}
			},
		},
	})
}

// The first Ctrl-C stops a command that waits for input, with exit code 130.
func TestInterrupt(t *testing.T) {
	dir := t.TempDir()
	tokenizer, err := os.ReadFile("testdata/tokenizer.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "tokenizer.json"), tokenizer, 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("gorqa", "tokenize", "--model_name_or_path", dir)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var talk bytes.Buffer
	cmd.Stderr = &talk
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	timer := time.AfterFunc(20*time.Second, func() { cmd.Process.Kill() })
	defer timer.Stop()
	if _, err := in.Write([]byte("\"ab\"\n")); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || line != "[3,0,1]\n" {
		t.Fatalf("%q, %v: an answer to each line expected while the input is open", line, err)
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != stopped+int(syscall.SIGINT) {
		t.Errorf("%v; exit code %d expected", err, stopped+int(syscall.SIGINT))
	}
	if want := "\nstopping cleanly; once more to stop at once\n"; talk.String() != want {
		t.Errorf("said %q; %q expected", talk.String(), want)
	}
}

// Every command has help that names it, and its examples are its own.
func TestHelp(t *testing.T) {
	out, err := exec.Command("gorqa", "help").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, command := range [][]string{{"train", "sft"}, {"train", "swr"}, {"train", "fid"}, {"contexts"}, {"eval"}, {"compare"}, {"report"}, {"review"}, {"index"}, {"ask"}, {"prompt"}, {"tokenize"}, {"convert"}, {"merge"}, {"doctor"}, {"version"}, {"data", "godoc"}, {"data", "docs"}, {"data", "convert"}, {"data", "qa"}, {"data", "check"}, {"fetch", "engine"}, {"fetch", "model"}} {
		if !strings.Contains(string(out), "\n  "+command[0]+" ") {
			t.Errorf("%s is not in the help of gorqa", command[0])
		}
		name := strings.Join(command, " ")
		var texts []string
		for _, args := range [][]string{append([]string{"help"}, command...), append(command[:len(command):len(command)], "--help")} {
			help, err := exec.Command("gorqa", args...).Output()
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			texts = append(texts, string(help))
		}
		if texts[0] != texts[1] {
			t.Errorf("%s: help and --help differ", name)
		}
		if !strings.Contains(texts[0], "Usage:\n  gorqa "+name) || !strings.Contains(texts[0], "gorqa "+name) {
			t.Errorf("%s: %s", name, texts[0])
		}
	}
}

// linkModels gives a cache folder the engine and the models that are in the one in use.
func linkModels(cache string) error {
	from, err := wheel.Cache()
	for _, name := range []string{"engine", "models"} {
		if err == nil {
			err = os.Symlink(filepath.Join(from, name), filepath.Join(cache, name))
		}
	}
	return err
}

// judgeServer starts an endpoint whose model answers with reply to what it is sent.
func judgeServer(reply func(asked []byte) string) *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked, _ := io.ReadAll(r.Body)
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"choices": []any{map[string]any{"message": map[string]string{"content": reply(asked)}}}})
	}))
}
