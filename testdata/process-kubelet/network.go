package main

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"syscall"
	"unsafe"
)

// Where pods get their addresses, and the one address of the range that is put
// on loopback. On a loopback interface the kernel takes the whole range of an
// address for its own, so that any address of it can be listened on. 127.0.0.0/8
// would be there already, but an EndpointSlice may not name it.
var (
	podRange    = netip.MustParsePrefix("10.244.0.0/16")
	nodeAddress = netip.MustParseAddr("10.244.255.254")
)

// interfaceRequest is the kernel's `struct ifreq`: a name, and a union of which
// flags and addresses are used here.
type interfaceRequest struct {
	name [syscall.IFNAMSIZ]byte
	data [24]byte
}

// network brings loopback up and gives it the range of the pods. It does what
// `ip link set lo up` and `ip address add 10.244.255.254/16 dev lo` do, without
// a need for iproute2.
func network([]string) error {
	socket, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_DGRAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("a socket to set up loopback with: %w", err)
	}
	defer syscall.Close(socket)
	var flags [24]byte
	binary.NativeEndian.PutUint16(flags[:], syscall.IFF_UP|syscall.IFF_RUNNING)
	mask := netip.AddrFrom4([4]byte{255, 255, 0, 0})
	for _, step := range []struct {
		what string
		call uintptr
		on   string
		data [24]byte
	}{
		{"bring lo up", syscall.SIOCSIFFLAGS, "lo", flags},
		// A second name, as the first address of lo stays 127.0.0.1.
		{"give lo an address", syscall.SIOCSIFADDR, "lo:pods", socketAddress(nodeAddress)},
		{"give lo a range", syscall.SIOCSIFNETMASK, "lo:pods", socketAddress(mask)},
	} {
		request := interfaceRequest{data: step.data}
		copy(request.name[:], step.on)
		_, _, failed := syscall.Syscall(syscall.SYS_IOCTL, uintptr(socket), step.call, uintptr(unsafe.Pointer(&request)))
		if failed != 0 {
			return fmt.Errorf("cannot %s: %w", step.what, failed)
		}
	}
	return nil
}

// socketAddress is the kernel's `struct sockaddr_in` without a port.
func socketAddress(address netip.Addr) (data [24]byte) {
	binary.NativeEndian.PutUint16(data[:], syscall.AF_INET)
	copy(data[4:], address.AsSlice())
	return data
}
