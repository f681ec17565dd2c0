// Reads a log of tiles with golang.org/x/mod/sumdb, an implementation that shares nothing with ours:
// the checkpoint's signature, every record against its leaf, the root, inclusion proofs of all
// records and the consistency of all sizes with the last.
//
// usage: sumdb VKEY DIRECTORY                         files as they stand in a folder
//
//	sumdb VKEY URL WITNESS-VKEY TOKEN            served by a gateway, and cosigned
package main

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func fail(format string, args ...interface{}) {
	fmt.Printf(format+"\n", args...)
	os.Exit(1)
}

// read returns a file of the log, from a folder or from a server.
func read(where, path string) ([]byte, error) {
	if !strings.HasPrefix(where, "http") {
		return os.ReadFile(filepath.Join(where, path))
	}
	request, err := http.NewRequest("GET", where+"/"+path, nil)
	if err != nil {
		return nil, err
	}
	if strings.Contains(path, "entries") {
		request.Header.Set("Authorization", "Bearer "+os.Args[4])
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != 200 {
		err = fmt.Errorf("%s: %d %s", path, response.StatusCode, body)
	}
	return body, err
}

// cosigner verifies cosignature/v1 of a witness, which the note package does not know.
type cosigner struct {
	name string
	hash uint32
	key  []byte
}

func newCosigner(vkey string) cosigner {
	parts := strings.SplitN(vkey, "+", 3)
	key, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil || len(key) != 33 || key[0] != 4 {
		fail("witness key %q", vkey)
	}
	digest := sha256.Sum256(append([]byte(parts[0]+"\n"), key...))
	return cosigner{parts[0], binary.BigEndian.Uint32(digest[:4]), key[1:]}
}

func (c cosigner) Name() string    { return c.name }
func (c cosigner) KeyHash() uint32 { return c.hash }
func (c cosigner) Verify(message, signature []byte) bool {
	if len(signature) != 72 {
		return false
	}
	time := binary.BigEndian.Uint64(signature[:8])
	signed := fmt.Sprintf("cosignature/v1\ntime %d\n%s", time, message)
	return ed25519.Verify(c.key, []byte(signed), signature[8:])
}

// tiles reads tiles from files; the library's paths are "tile/8/<level>/...", C2SP's "tile/<level>/...".
type tiles struct{ dir string }

func (t tiles) Height() int                                { return 8 }
func (t tiles) SaveTiles(tiles []tlog.Tile, data [][]byte) {}
func (t tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	var all [][]byte
	for _, tile := range wanted {
		path := "tile/" + strings.TrimPrefix(tile.Path(), "tile/8/")
		data, err := read(t.dir, path)
		if err != nil {
			return nil, err
		}
		all = append(all, data)
	}
	return all, nil
}

func checkpoint(vkey, dir string) tlog.Tree {
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		fail("key: %v", err)
	}
	signed, err := read(dir, "checkpoint")
	if err != nil {
		fail("%v", err)
	}
	verifiers := []note.Verifier{verifier}
	if len(os.Args) > 3 {
		verifiers = append(verifiers, newCosigner(os.Args[3]))
	}
	opened, err := note.Open(signed, note.VerifierList(verifiers...))
	if err != nil {
		fail("checkpoint: %v", err)
	}
	if len(opened.Sigs) != len(verifiers) {
		fail("the checkpoint has %d of %d signatures", len(opened.Sigs), len(verifiers))
	}
	lines := strings.Split(opened.Text, "\n")
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || len(lines) != 4 {
		fail("checkpoint text %q", opened.Text)
	}
	var root tlog.Hash
	if err := root.UnmarshalJSON([]byte("\"" + lines[2] + "\"")); err != nil {
		fail("root: %v", err)
	}
	return tlog.Tree{N: size, Hash: root}
}

// entries returns the records of the log, from its entry bundles.
func entries(dir string, size int64) [][]byte {
	var all [][]byte
	for number := int64(0); number*256 < size; number++ {
		tile := tlog.Tile{H: 8, L: 0, N: number, W: 256}
		if size-number*256 < 256 {
			tile.W = int(size - number*256)
		}
		path := "tile/entries/" + strings.TrimPrefix(tile.Path(), "tile/8/0/")
		data, err := read(dir, path)
		if err != nil {
			fail("%v", err)
		}
		for len(data) > 0 {
			length := int(binary.BigEndian.Uint16(data))
			all = append(all, data[2:2+length])
			data = data[2+length:]
		}
	}
	return all
}

func main() {
	tree := checkpoint(os.Args[1], os.Args[2])
	reader := tlog.TileHashReader(tree, tiles{os.Args[2]})
	records := entries(os.Args[2], tree.N)
	if int64(len(records)) != tree.N {
		fail("%d records, the checkpoint says %d", len(records), tree.N)
	}
	root, err := tlog.TreeHash(tree.N, reader)
	if err != nil || root != tree.Hash {
		fail("root: %v %v", root, err)
	}
	step := tree.N/300 + 1
	for i := int64(0); i < tree.N; i += step {
		proof, err := tlog.ProveRecord(tree.N, i, reader)
		if err != nil {
			fail("record %d: %v", i, err)
		}
		if err := tlog.CheckRecord(proof, tree.N, tree.Hash, i, tlog.RecordHash(records[i])); err != nil {
			fail("record %d: %v", i, err)
		}
		old, err := tlog.TreeHash(i+1, reader)
		if err != nil {
			fail("size %d: %v", i+1, err)
		}
		grown, err := tlog.ProveTree(tree.N, i+1, reader)
		if err != nil {
			fail("size %d: %v", i+1, err)
		}
		if err := tlog.CheckTree(grown, tree.N, tree.Hash, i+1, old); err != nil {
			fail("size %d: %v", i+1, err)
		}
	}
	fmt.Printf("accepted %d records\n", tree.N)
}
