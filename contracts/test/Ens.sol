// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

// The parts of ENS that a look-up meets, for tests: anybody may set anything.

/// EIP-137's registry, as far as it is read.
contract EnsRegistry {
    mapping(bytes32 node => address) public resolver;

    function setResolver(bytes32 node, address next) external {
        resolver[node] = next;
    }
}

/// A resolver of addresses (EIP-137).
contract EnsResolver {
    mapping(bytes32 node => address) public addr;

    function setAddr(bytes32 node, address next) external {
        addr[node] = next;
    }

    function supportsInterface(bytes4 id) external pure returns (bool) {
        return id == 0x01ffc9a7 || id == 0x3b3b57de;
    }
}

/// One that answers for every name below its own (ENSIP-10): the address is the Keccak-256 of the name in wire form.
contract EnsWildcard {
    function resolve(bytes calldata name, bytes calldata) external pure returns (bytes memory) {
        return abi.encode(address(uint160(uint256(keccak256(name)))));
    }

    function supportsInterface(bytes4 id) external pure returns (bool) {
        return id == 0x01ffc9a7 || id == 0x9061b923;
    }
}

/// One whose answers lie behind a gateway (EIP-3668). It believes only what the keeper signed.
contract EnsOffchain {
    error OffchainLookup(address sender, string[] urls, bytes callData, bytes4 callbackFunction, bytes extraData);

    address private immutable _keeper;
    address private immutable _pretended;
    string private _url;

    constructor(address keeper, address pretended, string memory url) {
        _keeper = keeper;
        _pretended = pretended;
        _url = url;
    }

    function resolve(bytes calldata name, bytes calldata) external view returns (bytes memory) {
        string[] memory urls = new string[](1);
        urls[0] = _url;
        address sender = _pretended == address(0) ? address(this) : _pretended;
        revert OffchainLookup(sender, urls, name, this.proved.selector, name);
    }

    function proved(bytes calldata response, bytes calldata extra) external view returns (bytes memory) {
        (address found, uint8 v, bytes32 r, bytes32 s) = abi.decode(response, (address, uint8, bytes32, bytes32));
        require(ecrecover(keccak256(abi.encode(found, extra)), v, r, s) == _keeper, "not the keeper's word");
        return abi.encode(found);
    }

    function supportsInterface(bytes4 id) external pure returns (bool) {
        return id == 0x01ffc9a7 || id == 0x9061b923;
    }
}
