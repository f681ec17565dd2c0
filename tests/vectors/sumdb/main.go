// Reads a log of tiles with golang.org/x/mod/sumdb, an implementation that shares nothing with ours:
// the checkpoint's signature, every record against its leaf, the root, inclusion proofs of all
// records and the consistency of all sizes with the last.
//
// usage: sumdb VKEY DIRECTORY
package main

import (
	"encoding/binary"
	"fmt"
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

// tiles reads tiles from files; the library's paths are "tile/8/<level>/...", C2SP's "tile/<level>/...".
type tiles struct{ dir string }

func (t tiles) Height() int                                { return 8 }
func (t tiles) SaveTiles(tiles []tlog.Tile, data [][]byte) {}
func (t tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	var all [][]byte
	for _, tile := range wanted {
		path := "tile/" + strings.TrimPrefix(tile.Path(), "tile/8/")
		data, err := os.ReadFile(filepath.Join(t.dir, path))
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
	signed, err := os.ReadFile(filepath.Join(dir, "checkpoint"))
	if err != nil {
		fail("%v", err)
	}
	opened, err := note.Open(signed, note.VerifierList(verifier))
	if err != nil {
		fail("checkpoint: %v", err)
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
		data, err := os.ReadFile(filepath.Join(dir, path))
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
