package fec

import (
	"crypto/sha256"
	"encoding/hex"
)

// SHA-256 of all repair symbols of TestRepairSymbolsAreStable, by k.
const (
	goldenK1   = "fa8eaadb2a7eff799d505cb64becbd535c3f63c0a4ee00a95bb6e1ad17b2c09f"
	goldenK20  = "7f0a5b678571715cac7668438d4b438650fffcd2e08f9b677b550915e5cf6cea"
	goldenK187 = "0053ebf082101ef2aa87d5ca5c386d3440273e1d2b3a11ec2811036993373f24"
	goldenK200 = "c3cf741386aa383e8ebdf370abe14922053c5132ade89a158fb79b381c0cdad4"
	goldenK588 = "29041fd875b2d9761306fbe06e1b3d1580de54e0c68fb95eaa6438c98561cb0b"
)

func digest(symbols [][]byte) string {
	h := sha256.New()
	for _, s := range symbols {
		h.Write(s)
	}
	return hex.EncodeToString(h.Sum(nil))
}
