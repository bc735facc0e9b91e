package dataset

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"gorqa/files/modelfile"
	"gorqa/files/pickle"
)

// ReadDocstore reads the index.pkl that LangChain's FAISS puts beside its
// index.faiss: the text of each vector, in the vectors' order. Nothing in it is
// run.
func ReadDocstore(ctx context.Context, path string) ([]string, error) {
	f, _, err := modelfile.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	isStore := func(c pickle.Class) bool {
		return c.Name == "InMemoryDocstore" && strings.HasPrefix(c.Module, "langchain") && strings.Contains(c.Module, ".docstore")
	}
	value, _, err := unpickle(ctx, path, bufio.NewReader(f), func(c pickle.Class) bool { return isStore(c) || isDocument(c) || isValue(c) })
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	texts, err := docstoreTexts(value, isStore)
	if err != nil {
		return nil, fmt.Errorf("%s: %w; LangChain's pickle of a docstore and its ids expected", path, err)
	}
	return texts, nil
}

// docstoreTexts takes apart (docstore, {number of the vector: id}).
func docstoreTexts(value any, isStore func(pickle.Class) bool) ([]string, error) {
	pair, ok := value.(pickle.Tuple)
	if !ok || len(pair) != 2 {
		return nil, fmt.Errorf("a pickle of %s", pickleKind(value))
	}
	store, isObject := pair[0].(*pickle.Object)
	ids, isDict := pair[1].(*pickle.Dict)
	if !isObject || !isStore(store.Class) || !isDict {
		return nil, fmt.Errorf("%s and %s", pickleKind(pair[0]), pickleKind(pair[1]))
	}
	state, _ := store.State.(*pickle.Dict)
	held, ok := entries(state)["_dict"].(*pickle.Dict)
	if !ok {
		return nil, errors.New("a docstore without documents")
	}
	byID := entries(held)
	texts := make([]string, len(ids.Entries))
	seen := make([]bool, len(texts))
	for _, e := range ids.Entries {
		number, ok := e.Key.(int64)
		id, ok2 := e.Value.(string)
		if !ok || !ok2 || number < 0 || number >= int64(len(texts)) || seen[number] {
			return nil, errors.New("numbers of vectors that are not 0, 1, 2 and so on")
		}
		seen[number] = true
		doc, ok := byID[id].(*pickle.Object)
		if !ok || !isDocument(doc.Class) {
			return nil, fmt.Errorf("no document of the id %.60q", id)
		}
		fields, _ := doc.State.(*pickle.Dict)
		named := entries(fields)
		if inner, ok := named["__dict__"].(*pickle.Dict); ok {
			named = entries(inner)
		}
		if texts[number], ok = named["page_content"].(string); !ok {
			return nil, fmt.Errorf("the document %.60q without page_content", id)
		}
	}
	if len(texts) == 0 {
		return nil, errors.New("no documents")
	}
	return slices.Clip(texts), nil
}
