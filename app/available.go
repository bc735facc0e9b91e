package app

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// available is memory that a process can still have, 0 where nobody tells, and
// what bounds it.
type available struct {
	bytes int64
	of    string
}

// memoryThere is what the GPU that computes, the first of those that this process may use,
// or the host can still give.
func (d *checks) memoryThere(ctx context.Context) available {
	if onHost(d.c.Engine) {
		return hostMemory("/", limits())
	}
	first, _, _ := strings.Cut(os.Getenv(visibleDevices), ",")
	free, err := exec.CommandContext(ctx, "nvidia-smi", "--query-gpu=memory.free", "--format=csv,noheader,nounits", "--id="+cmp.Or(strings.TrimSpace(first), "0")).Output()
	if err != nil {
		return available{}
	}
	mib, err := strconv.ParseInt(strings.TrimSpace(string(free)), 10, 64)
	if err != nil {
		return available{}
	}
	return available{mib << 20, "free on the GPU"}
}

// hostMemory is the least of what the system has left, what the control groups
// above this process allow (in a container, its limit), and what the user's limits
// do. root is where proc and sys are.
func hostMemory(root string, user []available) available {
	all := append(user, available{field(filepath.Join(root, "proc/meminfo"), "MemAvailable:") << 10, "MemAvailable of the system"})
	groups, _ := os.ReadFile(filepath.Join(root, "proc/self/cgroup"))
	for line := range strings.Lines(string(groups)) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) < 3 {
			continue
		}
		switch {
		case parts[0] == "0" && parts[1] == "":
			for _, mount := range []string{"sys/fs/cgroup", "sys/fs/cgroup/unified"} {
				all = append(all, group(filepath.Join(root, mount), parts[2], "memory.max", "memory.current", "inactive_file")...)
			}
		case strings.Contains(","+parts[1]+",", ",memory,"):
			all = append(all, group(filepath.Join(root, "sys/fs/cgroup/memory"), parts[2], "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")...)
		}
	}
	var least available
	for _, a := range all {
		if a.bytes > 0 && (least.bytes == 0 || a.bytes < least.bytes) {
			least = a
		}
	}
	return least
}

// group is what a control group and those above it leave, without the files that
// the kernel keeps in memory until it is needed.
func group(mount, path, limit, usage, inactive string) (left []available) {
	for at := filepath.Join("/", path); ; at = filepath.Dir(at) {
		dir := filepath.Join(mount, at)
		most, err := numberIn(filepath.Join(dir, limit))
		used, unknown := numberIn(filepath.Join(dir, usage))
		// Version 1 writes a number near the largest where there is no limit.
		if err == nil && unknown == nil && most < math.MaxInt64>>8 {
			used -= field(filepath.Join(dir, "memory.stat"), inactive+" ")
			left = append(left, available{max(1, most-max(0, used)), "the limit of the control group " + at})
		}
		if at == "/" {
			return left
		}
	}
}

// numberIn reads a file that holds one; "max" is none.
func numberIn(path string) (int64, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(strings.TrimSpace(string(data)), 10, 64)
}

// field reads the number behind a name at the beginning of a line, 0 for none.
func field(path, name string) int64 {
	data, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	for line := range bytes.Lines(data) {
		rest, ok := bytes.CutPrefix(line, []byte(name))
		var n int64
		if _, err := fmt.Sscan(string(rest), &n); ok && err == nil {
			return n
		}
	}
	return 0
}

// limits are what the user's limits leave to this process (ulimit -v and -d).
func limits() (left []available) {
	for _, l := range []struct {
		what      int
		used, say string
	}{{unix.RLIMIT_AS, "VmSize:", "the user's limit of address space, ulimit -v"}, {unix.RLIMIT_DATA, "VmData:", "the user's limit of data, ulimit -d"}} {
		var r unix.Rlimit
		if err := unix.Getrlimit(l.what, &r); err == nil && r.Cur < math.MaxInt64>>8 {
			left = append(left, available{max(1, int64(r.Cur)-field("/proc/self/status", l.used)<<10), l.say})
		}
	}
	return left
}
