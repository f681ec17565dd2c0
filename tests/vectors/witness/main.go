// Asks a witness what c2sp.org/tlog-witness says that it answers, with a log made by
// golang.org/x/mod/sumdb, an implementation that shares nothing with ours; cosignatures are
// verified with crypto/ed25519 alone.
//
// usage: witness keygen FILE                                   makes the log's keys, FILE and FILE.pub
//
//	witness drive URL WITNESS-VKEY FILE                   asks, and exits 0 when all answers are right
package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const origin = "go.example/log"

func fail(format string, args ...interface{}) {
	fmt.Printf(format+"\n", args...)
	os.Exit(1)
}

func must(err error) {
	if err != nil {
		fail("%v", err)
	}
}

// A log in memory.
type history struct {
	hashes []tlog.Hash
	size   int64
}

func (h *history) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	var found []tlog.Hash
	for _, index := range indexes {
		found = append(found, h.hashes[index])
	}
	return found, nil
}

func newHistory(name string, same *history, until, size int64) *history {
	h := &history{}
	for ; h.size < size; h.size++ {
		text := fmt.Sprintf("%s %d", name, h.size)
		if same != nil && h.size < until {
			text = fmt.Sprintf("a %d", h.size)
		}
		stored, err := tlog.StoredHashes(h.size, []byte(text), h)
		must(err)
		h.hashes = append(h.hashes, stored...)
	}
	return h
}

func (h *history) text(size int64) string {
	root, err := tlog.TreeHash(size, h)
	must(err)
	return fmt.Sprintf("%s\n%d\n%s\n", origin, size, root)
}

func (h *history) body(signer note.Signer, old, size int64) string {
	signed, err := note.Sign(&note.Note{Text: h.text(size)}, signer)
	must(err)
	proof := ""
	if old > 0 && old < size {
		hashes, err := tlog.ProveTree(size, old, h)
		must(err)
		for _, hash := range hashes {
			proof += hash.String() + "\n"
		}
	}
	return fmt.Sprintf("old %d\n%s\n%s", old, proof, signed)
}

// Verifies "— name base64(id || time || signature)" over the checkpoint's text.
func checkCosignature(vkey, text, line string) {
	parts := strings.SplitN(vkey, "+", 3)
	key, err := base64.StdEncoding.DecodeString(parts[2])
	must(err)
	if key[0] != 4 || len(key) != 33 {
		fail("the witness's key is of type %d", key[0])
	}
	digest := sha256.Sum256(append([]byte(parts[0]+"\n"), key...))
	if fmt.Sprintf("%x", digest[:4]) != parts[1] {
		fail("the key's id is not %s", parts[1])
	}
	prefix := "— " + parts[0] + " "
	if !strings.HasPrefix(line, prefix) || !strings.HasSuffix(line, "\n") {
		fail("no cosignature: %q", line)
	}
	signature, err := base64.StdEncoding.DecodeString(strings.TrimSpace(line[len(prefix):]))
	must(err)
	if len(signature) != 76 || !bytes.Equal(signature[:4], digest[:4]) {
		fail("the cosignature has %d bytes", len(signature))
	}
	message := fmt.Sprintf("cosignature/v1\ntime %d\n%s", binary.BigEndian.Uint64(signature[4:12]), text)
	if !ed25519.Verify(key[1:], []byte(message), signature[12:]) {
		fail("the cosignature does not verify")
	}
}

func post(url, body string) (int, string, string) {
	response, err := http.Post(url+"/add-checkpoint", "text/plain", strings.NewReader(body))
	must(err)
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	must(err)
	return response.StatusCode, string(answer), response.Header.Get("Content-Type")
}

func drive(url, vkey, keyFile string) {
	key, err := os.ReadFile(keyFile)
	must(err)
	signer, err := note.NewSigner(strings.TrimSpace(string(key)))
	must(err)
	strangerKey, _, err := note.GenerateKey(rand.Reader, origin)
	must(err)
	stranger, err := note.NewSigner(strangerKey)
	must(err)
	a := newHistory("a", nil, 0, 400)
	fork := newHistory("b", a, 100, 400)
	steps := []struct {
		what   string
		body   string
		status int
	}{
		{"no request", "nonsense", 400},
		{"an impostor", a.body(stranger, 0, 5), 403},
		{"another log", strings.Replace(a.body(signer, 0, 5), origin, "other.example/log", 1), 404},
		{"a first checkpoint", a.body(signer, 0, 5), 200},
		{"the same from nothing", a.body(signer, 0, 5), 409},
		{"the same once more", a.body(signer, 5, 5), 200},
		{"a larger tree", a.body(signer, 5, 300), 200},
		{"a smaller tree", a.body(signer, 5, 200), 409},
		{"an old size above the new", a.body(signer, 300, 300)[:4] + "301" + a.body(signer, 300, 300)[7:], 400},
		{"another history of the same size", fork.body(signer, 300, 300), 422},
		{"another history that grows", fork.body(signer, 300, 400), 422},
		{"the true one", a.body(signer, 300, 400), 200},
	}
	for _, step := range steps {
		status, answer, media := post(url, step.body)
		if status != step.status {
			fail("%s: %d %q, should be %d", step.what, status, answer, step.status)
		}
		if status == 409 && (media != "text/x.tlog.size" || strings.TrimSpace(answer) == "") {
			fail("%s: %q of type %s", step.what, answer, media)
		}
		if status == 200 {
			text := step.body[strings.Index(step.body, "\n\n")+2:]
			checkCosignature(vkey, text[:strings.LastIndex(text, "\n\n")+1], answer)
		}
	}
	digest := sha256.Sum256([]byte(origin))
	response, err := http.Get(fmt.Sprintf("%s/%x/checkpoint", url, digest))
	must(err)
	latest, err := io.ReadAll(response.Body)
	must(err)
	public, err := os.ReadFile(keyFile + ".pub")
	must(err)
	verifier, err := note.NewVerifier(strings.TrimSpace(string(public)))
	must(err)
	opened, err := note.Open(latest, note.VerifierList(verifier))
	must(err)
	if opened.Text != a.text(400) {
		fail("the last cosigned checkpoint is %q", opened.Text)
	}
	fmt.Printf("%d answers are right\n", len(steps))
}

func main() {
	if len(os.Args) == 3 && os.Args[1] == "keygen" {
		private, public, err := note.GenerateKey(rand.Reader, origin)
		must(err)
		must(os.WriteFile(os.Args[2], []byte(private+"\n"), 0o600))
		must(os.WriteFile(os.Args[2]+".pub", []byte(public+"\n"), 0o644))
		fmt.Println(public)
		return
	}
	if len(os.Args) != 5 || os.Args[1] != "drive" {
		fail("usage: witness keygen FILE | witness drive URL WITNESS-VKEY FILE")
	}
	drive(os.Args[2], os.Args[3], os.Args[4])
}
