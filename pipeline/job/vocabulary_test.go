package job_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vedette/pipeline/job"
)

// The list of words is what programs in other languages rely on: a word that
// appears or disappears is a change to the wire format.
func TestVocabularyListsEveryKeyAndValue(t *testing.T) {
	t.Parallel()
	keys := jsonKeys()
	for _, root := range []string{"pipeline", "producer", "workers"} {
		addPrivateKeys(t, filepath.Join("..", "..", root), keys)
	}
	if diff := cmp.Diff(vocabulary(t, "key"), slices.Sorted(maps.Keys(keys))); diff != "" {
		t.Errorf("keys (-listed +in messages):\n%s", diff)
	}
	listed := vocabulary(t, "value")
	slices.Sort(listed)
	if diff := cmp.Diff(listed, enumValues(t)); diff != "" {
		t.Errorf("values (-listed +in package job):\n%s", diff)
	}
}

// vocabulary returns the words of one kind, each of which must have a meaning.
func vocabulary(t *testing.T, kind string) (words []string) {
	t.Helper()
	list, err := os.ReadFile(filepath.Join("..", "..", "cmd", "vedette", "help", "wire-vocabulary.txt"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(list)) {
		fields := strings.Fields(line)
		if len(fields) == 0 || fields[0] != kind {
			continue
		}
		if len(fields) < 3 {
			t.Errorf("%s: got no meaning", strings.TrimSpace(line))
		}
		words = append(words, fields[1])
	}
	return words
}

// jsonKeys returns the JSON keys in all messages.
func jsonKeys() map[string]bool {
	keys, seen := map[string]bool{}, map[reflect.Type]bool{}
	var visit func(reflect.Type)
	visit = func(t reflect.Type) {
		for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Map {
			t = t.Elem()
		}
		if t.Kind() != reflect.Struct || seen[t] || t.PkgPath() != reflect.TypeFor[job.Check]().PkgPath() {
			return
		}
		seen[t] = true
		for field := range t.Fields() {
			if name, _, _ := strings.Cut(field.Tag.Get("json"), ","); name != "" {
				keys[name] = true
			}
			visit(field.Type)
		}
	}
	for _, message := range golden() {
		visit(reflect.TypeOf(message))
	}
	return keys
}

// addPrivateKeys adds the JSON keys in messages that one package keeps to itself,
// such as cursors. Like every message they have a field "v".
func addPrivateKeys(t *testing.T, root string, keys map[string]bool) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if message, ok := n.(*ast.StructType); ok {
				if tags := jsonTags(message); slices.Contains(tags, "v") {
					for _, tag := range tags {
						keys[tag] = true
					}
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func jsonTags(message *ast.StructType) (tags []string) {
	for _, field := range message.Fields.List {
		if field.Tag == nil {
			continue
		}
		name, _, _ := strings.Cut(reflect.StructTag(strings.Trim(field.Tag.Value, "`")).Get("json"), ",")
		if name != "" && name != "-" {
			tags = append(tags, name)
		}
	}
	return tags
}

// enumValues returns the values of all string types in package job.
func enumValues(t *testing.T) (values []string) {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if spec, ok := n.(*ast.ValueSpec); ok && len(spec.Values) == 1 {
				enum, typed := spec.Type.(*ast.Ident)
				literal, isLiteral := spec.Values[0].(*ast.BasicLit)
				if typed && isLiteral && literal.Kind == token.STRING && enum.Name != "SecretContext" {
					value, _ := strconv.Unquote(literal.Value)
					values = append(values, snakeCase(enum.Name)+"="+value)
				}
			}
			return true
		})
	}
	slices.Sort(values)
	return values
}

func snakeCase(name string) string {
	var b strings.Builder
	for i, c := range name {
		if i > 0 && 'A' <= c && c <= 'Z' {
			b.WriteByte('_')
		}
		b.WriteRune(c)
	}
	return strings.ToLower(b.String())
}
