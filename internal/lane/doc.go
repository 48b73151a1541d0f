// Package lane moves blocks by unicast, for those that multicast does not reach:
// from peers and from the sender over HTTP, and from the sender over TFTP
// (RFC 1350, options of RFC 2347 to 2349), which any client speaks.
//
// Names are the same on both, and nothing else can be named:
//
//	images/<ID>/manifest                the manifest
//	images/<ID>/blocks/<first>-<last>   the packed frames of the data blocks of this range of
//	                                    SBNs, both included, one after the other; a sender only
//	images/<ID>/have                    over HTTP: what can be had here, see blockset.Set.AppendBinary
//	images/<ID>/block/<SBN>             over HTTP: one zstd frame that decodes to the block
//
// Servers read a [Store] and never a file. They bound connections, requests and
// the time that each may take. What a [Client] returns is of bounded length and
// otherwise unverified: whoever asked checks it against the image ID or the
// block's digest, as with every lane.
package lane
