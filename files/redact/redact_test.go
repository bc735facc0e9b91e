package redact

import (
	"encoding/base64"
	"testing"
)

func TestTextHidesSecretsAsTheyAreWritten(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, why string
		text      string
		secrets   []string
		want      string
	}{
		{"key", "servers name the wrong key", "no such key: sk-12345!", []string{"sk-12345"}, "no such key: ***!"},
		{"escaped", "as a query writes it", "at ?key=a%2Fb+cd", []string{"a/b cd"}, "at ?key=***"},
		{"basic", "as a header writes it", "Basic " + base64.StdEncoding.EncodeToString([]byte("me:hunter2")), []string{"me:hunter2"}, "Basic ***"},
		{"short", "a key that is a letter is part of words", "an example", []string{"x", ""}, "an example"},
		{"one inside the other", "no rest of the longer one stays", "key-long key", []string{"key-", "key-long"}, "*** key"},
		{"address", "a proxy's or an index's password", "cannot reach https://me:hunter2@host/simple/x and http://t0ken@host:80", nil, "cannot reach https://***@host/simple/x and http://***@host:80"},
		{"at sign later", "a path is no password", "https://host/a@b", nil, "https://host/a@b"},
		{"password with an at sign", "up to the last one", "https://me:p@ss@host/", nil, "https://***@host/"},
	} {
		if got := Text(test.text, test.secrets...); got != test.want {
			t.Errorf("%s: %q; want %q (%s)", test.name, got, test.want, test.why)
		}
	}
	if got := Address("https://me:hunter2@host:8080/v1?api-key=abc#x"); got != "https://host:8080/v1" {
		t.Errorf("address %q", got)
	}
}
