package document

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"net/url"
	"path"
	"strings"

	"golang.org/x/net/html"
)

// epub is a book's list of its parts.
type epub struct {
	Title []string `xml:"metadata>title"`
	Items []struct {
		ID   string `xml:"id,attr"`
		Href string `xml:"href,attr"`
		Type string `xml:"media-type,attr"`
	} `xml:"manifest>item"`
	Spine []struct {
		ID     string `xml:"idref,attr"`
		Linear string `xml:"linear,attr"`
	} `xml:"spine>itemref"`
}

const epubAgain = "save it again as .epub"

// readEPUB reads the chapters of a book in the order in which they are read.
func readEPUB(source string, data []byte, a *archive) (File, error) {
	files, err := a.open(source, data)
	if err != nil {
		return File{}, err
	}
	var container struct {
		Root []struct {
			Path string `xml:"full-path,attr"`
		} `xml:"rootfiles>rootfile"`
	}
	raw, err := files.read("META-INF/container.xml")
	if err == nil {
		err = xml.Unmarshal(raw, &container)
	}
	if err != nil || len(container.Root) == 0 {
		return File{}, problem(source, "no META-INF/container.xml that names a book", "an .epub file", epubAgain)
	}
	root := container.Root[0].Path
	var book epub
	if raw, err = files.read(root); err == nil {
		err = xml.Unmarshal(raw, &book)
	}
	if err != nil {
		return File{}, problem(source, fmt.Sprintf("a book whose %.80q cannot be read: %v", root, err), "a whole .epub file", epubAgain)
	}
	f := File{Source: source}
	if len(book.Title) > 0 {
		f.Title = strings.TrimSpace(book.Title[0])
	}
	f.Blocks, err = book.chapters(source, path.Dir(root), files)
	if err != nil {
		return File{}, err
	}
	return f, nil
}

// chapters reads those of a book that lies in a folder of the archive.
func (b *epub) chapters(source, dir string, files *entries) (blocks []Block, err error) {
	hrefs := map[string]string{}
	for _, item := range b.Items {
		hrefs[item.ID] = item.Href
	}
	locked := encrypted(files)
	for _, chapter := range b.Spine {
		href, err := url.PathUnescape(hrefs[chapter.ID])
		if err != nil || href == "" {
			continue
		}
		name := path.Join(dir, href)
		if locked[name] {
			return nil, problem(source, "chapters that are encrypted (DRM)", "a book without", "ask its publisher for one")
		}
		raw, err := files.read(name)
		if err != nil {
			return nil, problem(source, fmt.Sprintf("a book without its chapter %.80q: %v", name, err), "a whole .epub file", epubAgain)
		}
		doc, err := html.Parse(bytes.NewReader(raw))
		if err != nil {
			return nil, problem(source, fmt.Sprintf("a chapter %.80q that cannot be read: %v", name, err), "XHTML", epubAgain)
		}
		var w htmlWriter
		w.walk(doc)
		w.flush()
		blocks = append(blocks, w.blocks...)
	}
	return blocks, nil
}

// encrypted names the files of a book that are; obfuscated fonts are among them.
func encrypted(files *entries) map[string]bool {
	names := map[string]bool{}
	raw, err := files.read("META-INF/encryption.xml")
	if err != nil {
		return names
	}
	var list struct {
		Data []struct {
			Ref struct {
				URI string `xml:"URI,attr"`
			} `xml:"CipherData>CipherReference"`
		} `xml:"EncryptedData"`
	}
	if xml.Unmarshal(raw, &list) == nil {
		for _, d := range list.Data {
			names[d.Ref.URI] = true
		}
	}
	return names
}
