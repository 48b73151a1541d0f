package protocol

// Limits of every field that comes from outside. A datagram beyond one of
// them is refused whole.
const (
	// BlockSize is the size in bytes of a block: small enough that one
	// Reed–Solomon code over GF(2⁸) spans it, large enough that zstd finds
	// most of what it would find in the whole image.
	BlockSize = 256 << 10

	// MaxFrame is the longest zstd frame of a block: an incompressible block
	// and its framing (262 163 bytes) in whole symbols of 1408 bytes.
	MaxFrame = 187 * DefaultSymbolSize

	// MaxSBN bounds block numbers: 16 TiB of raw disk, eight times the
	// largest disk one finds in a classroom, keeps a bitmap of all blocks
	// at 8 MiB.
	MaxSBN = 16 << 40 / BlockSize

	// MaxRaw bounds the image's size in bytes, see MaxSBN.
	MaxRaw = MaxSBN * BlockSize

	// MaxPacked bounds the packed image's file in bytes: no frame is longer
	// than two blocks, so a larger one lies.
	MaxPacked = 2 * MaxRaw

	// MaxManifest bounds the manifest in bytes: 128 MiB describes 977 GB of
	// data blocks (36 bytes each, zero runs cost next to nothing), and a
	// receiver with 512 MiB of memory can hold it.
	MaxManifest = 128 << 20

	// DefaultSymbolSize fills a 1500-byte MTU (1408 + 40 + 28 = 1476).
	DefaultSymbolSize = 1408

	// MaxSymbolSize is the last multiple of 64 that fits the 65507 bytes of
	// one UDP datagram beside our header.
	MaxSymbolSize = 65408

	// MinSymbolSize is what the IPv4 minimum MTU of 576 leaves.
	MinSymbolSize = 448

	// MaxSymbols is the largest k: the longest frame in the smallest symbols.
	// It bounds the symbols that a deficit asks for.
	MaxSymbols = (MaxFrame + MinSymbolSize - 1) / MinSymbolSize

	// MaxRepair is m, the number of repair symbols of every block:
	// leopard GF(2⁸) takes k ≤ 192 beside 64 of them.
	MaxRepair = 64

	// MaxName bounds the names of images and machines: what fits a line of a
	// menu, and a host name (RFC 1035 §2.3.4 has 63 octets a label).
	MaxName = 64

	// MaxText bounds an error text: what fits two lines of a table.
	MaxText = 160

	// MaxGapBytes bounds the list of gaps in a report: beside the longest
	// Error it leaves room for deficits on the smallest MTU, and at 2 % loss it
	// holds what a 1 Gb/s wire loses between two reports.
	MaxGapBytes = 192

	// MaxReceivers bounds a session: receivers report once a millisecond all
	// together, so each of 4096 reports every four seconds.
	MaxReceivers = 4096

	// MaxInterval bounds the report interval in milliseconds, see MaxReceivers.
	MaxInterval = 5000

	// MaxDatagram bounds the control datagrams so that none is fragmented
	// on an MTU of 1500.
	MaxDatagram = 1472

	// MaxAnnounce is the length of the longest ANNOUNCE, 446 bytes. It fits the
	// smallest MTU, and a SOLICIT is as long.
	MaxAnnounce = 222 + MaxName + MaxText

	// RosterPage is how many receivers one ROSTER lists: 100 × 13 bytes fit
	// MaxDatagram.
	RosterPage = 100
)

// ipUDP is the length of the IPv4 and UDP headers before every datagram.
const ipUDP = 28
