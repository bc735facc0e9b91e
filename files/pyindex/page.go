package pyindex

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/url"
	"path"
	"regexp"
	"runtime"
	"strings"

	"golang.org/x/net/html"
)

// accepted are the forms of a page, the best first.
const accepted = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"

// maxPage bounds a page of links, in bytes.
const maxPage = 32 << 20

// link is a file that a page names.
type link struct {
	url  *url.URL
	name string // of the file
	sum  string // its SHA-256, "" where the page gives none
	size int64  // 0 where the page gives none
}

// readPage reads the links of a page that came from an address.
func readPage(data []byte, contentType string, from *url.URL) ([]link, error) {
	media, _, err := mime.ParseMediaType(contentType)
	switch {
	case err == nil && (media == "application/json" || strings.HasPrefix(media, "application/vnd.pypi.simple.") && strings.HasSuffix(media, "+json")):
		return readJSON(data, from)
	case err == nil && (media == "text/html" || strings.HasPrefix(media, "application/vnd.pypi.simple.") && strings.HasSuffix(media, "+html")):
		return readHTML(data, from)
	}
	return nil, fmt.Errorf("content of type %q; a page of an index expected, as JSON or HTML", contentType)
}

func readJSON(data []byte, from *url.URL) (links []link, err error) {
	var page struct {
		Meta struct {
			Version string `json:"api-version"`
		} `json:"meta"`
		Files []struct {
			Filename string            `json:"filename"`
			URL      string            `json:"url"`
			Hashes   map[string]string `json:"hashes"`
			Size     int64             `json:"size"`
		} `json:"files"`
	}
	if err := json.Unmarshal(data, &page); err != nil {
		return nil, fmt.Errorf("no page of an index: %w", err)
	}
	if v := page.Meta.Version; v != "1" && !strings.HasPrefix(v, "1.") {
		return nil, fmt.Errorf("version %q of the simple API found; 1 expected", v)
	}
	for _, f := range page.Files {
		at, err := from.Parse(f.URL)
		if err != nil {
			continue // of a file that is another one's trouble
		}
		links = append(links, link{url: at, name: f.Filename, sum: strings.ToLower(f.Hashes["sha256"]), size: f.Size})
	}
	return links, nil
}

func readHTML(data []byte, from *url.URL) (links []link, err error) {
	based := false
	for t := html.NewTokenizer(bytes.NewReader(data)); ; {
		kind := t.Next()
		if kind == html.ErrorToken {
			return links, nil // of a reader in memory: the end
		}
		if kind != html.StartTagToken && kind != html.SelfClosingTagToken {
			continue
		}
		tag := t.Token()
		for _, a := range tag.Attr {
			if a.Key != "href" {
				continue
			}
			at, err := from.Parse(strings.TrimSpace(a.Val))
			switch {
			case err != nil:
			case tag.Data == "base" && !based:
				from, based = at, true
			case tag.Data == "a":
				links = append(links, newLink(at))
			}
		}
	}
}

// newLink is a link of which the address says all.
func newLink(at *url.URL) link {
	l := link{name: path.Base(at.Path)}
	for part := range strings.SplitSeq(at.Fragment, "&") {
		if sum, ok := strings.CutPrefix(part, "sha256="); ok {
			l.sum = strings.ToLower(sum)
		}
	}
	bare := *at
	bare.Fragment, bare.RawFragment = "", ""
	l.url = &bare
	return l
}

// normalised is a package's name as addresses have it (PEP 503).
func normalised(name string) string {
	return strings.ToLower(regexp.MustCompile(`[-_.]+`).ReplaceAllString(name, "-"))
}

// errForeign is the error of a wheel for other machines.
var errForeign = errors.New("for other machines")

// is looks whether a file name is that of a wheel of the package and version, and
// whether it is for this machine. For which Python it is does not matter: none runs it.
func (w Wheel) is(name string) (bool, error) {
	stem, ok := strings.CutSuffix(name, ".whl")
	parts := strings.Split(stem, "-")
	if !ok || len(parts) != 5 && len(parts) != 6 || normalised(parts[0]) != normalised(w.Package) || !strings.EqualFold(parts[1], w.Version) {
		return false, nil
	}
	machine := map[string]string{"amd64": "x86_64", "arm64": "aarch64"}[runtime.GOARCH]
	for tag := range strings.SplitSeq(parts[len(parts)-1], ".") {
		linux := runtime.GOOS == "linux" && (strings.HasPrefix(tag, "manylinux") || strings.HasPrefix(tag, "linux_"))
		if tag == "any" || linux && machine != "" && strings.HasSuffix(tag, "_"+machine) {
			return true, nil
		}
	}
	return true, errForeign
}
