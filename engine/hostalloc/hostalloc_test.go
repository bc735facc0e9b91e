package hostalloc

import (
	"fmt"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"unsafe"

	"github.com/gomlx/go-xla/pjrt"
)

// TestPoolGivesZerosAndKeepsWhatIsHeld has buffers come and go on several threads: each is all zeros at first, as
// go-xla asks for them, and keeps what is written to it while it is held.
func TestPoolGivesZerosAndKeepsWhatIsHeld(t *testing.T) {
	const alignment = 64
	var all sync.WaitGroup
	for worker := range 4 {
		all.Go(func() {
			rnd := rand.New(rand.NewPCG(5, uint64(worker)))
			type buffer struct {
				words []uint64
				mark  uint64
			}
			var held []buffer
			for step := range 3000 {
				if len(held) > 20 || len(held) > 0 && rnd.IntN(2) == 0 {
					i := rnd.IntN(len(held))
					b := held[i]
					for j, w := range b.words {
						if w != b.mark {
							t.Errorf("word %d of %d is %x, expected %x", j, len(b.words), w, b.mark)
							return
						}
					}
					pjrt.AlignedFree(unsafe.Pointer(&b.words[0]))
					held[i], held = held[len(held)-1], held[:len(held)-1]
					continue
				}
				n := 1 << (8 + rnd.IntN(11)) // 2 KB to 2 MB, and up to twice that
				n += rnd.IntN(n)
				p := pjrt.AlignedAlloc(uintptr(8*n), alignment)
				if uintptr(p)%alignment != 0 {
					t.Errorf("%p is not aligned", p)
				}
				words, mark := unsafe.Slice((*uint64)(p), n), uint64(worker)<<32|uint64(step)+1
				for j, w := range words {
					if w != 0 {
						t.Errorf("word %d of %d is %x at first", j, n, w)
						return
					}
					words[j] = mark
				}
				held = append(held, buffer{words, mark})
			}
			for _, b := range held {
				pjrt.AlignedFree(unsafe.Pointer(&b.words[0]))
			}
		})
	}
	all.Wait()
}

// TestPagesOfOtherSizesWorkOrAreLeftToMalloc has the allocator work under pages of other sizes than the machine's, and
// leave malloc alone under one that it does not know.
func TestPagesOfOtherSizesWorkOrAreLeftToMalloc(t *testing.T) {
	compiler, err := exec.LookPath("cc")
	if err != nil {
		t.Skip("no C compiler")
	}
	for _, size := range []int{4 << 10, 8 << 10, 16 << 10, 64 << 10} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			program := filepath.Join(t.TempDir(), "pages")
			for _, command := range [][]string{{compiler, fmt.Sprintf("-DSIZE=%d", size), "-O1", "-Wall", "-o", program, "testdata/pages.c", "-ldl", "-lpthread"}, {program}} {
				if out, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
					t.Fatalf("%v: %v\n%s", command, err, out)
				}
			}
		})
	}
}
