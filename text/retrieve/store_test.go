package retrieve

import (
	"bytes"
	"testing"
)

func FuzzDecodeStore(f *testing.F) {
	for _, s := range []*store{
		{name: "", vectors: map[key][]float32{}},
		{name: "m", width: 2, vectors: map[key][]float32{{}: {1, 2}, {1}: {3, 4}}},
	} {
		var b bytes.Buffer
		if err := encodeStore(&b, s); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes())
	}
	f.Add([]byte(storeMagic + "\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := decodeStore(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			return
		}
		var b bytes.Buffer
		if err := encodeStore(&b, s); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(b.Bytes(), data) {
			t.Error("what was read is not what would be written")
		}
	})
}
