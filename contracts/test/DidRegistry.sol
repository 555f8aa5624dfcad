// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// ERC-1056's registry, as far as it is read, for tests. Only an identity's owner changes it; nothing is signed here.
contract DidRegistry {
    mapping(address identity => address) private _owners;
    mapping(address identity => uint256) public changed;

    event DIDOwnerChanged(address indexed identity, address owner, uint256 previousChange);
    event DIDDelegateChanged(
        address indexed identity, bytes32 delegateType, address delegate, uint256 validTo, uint256 previousChange
    );
    event DIDAttributeChanged(
        address indexed identity, bytes32 name, bytes value, uint256 validTo, uint256 previousChange
    );

    modifier onlyOwner(address identity) {
        require(msg.sender == identityOwner(identity), "not the owner");
        _;
    }

    function identityOwner(address identity) public view returns (address) {
        address owner = _owners[identity];
        return owner == address(0) ? identity : owner;
    }

    function changeOwner(address identity, address next) external onlyOwner(identity) {
        _owners[identity] = next;
        emit DIDOwnerChanged(identity, next, changed[identity]);
        changed[identity] = block.number;
    }

    function addDelegate(address identity, bytes32 kind, address delegate, uint256 validity)
        external
        onlyOwner(identity)
    {
        emit DIDDelegateChanged(identity, kind, delegate, block.timestamp + validity, changed[identity]);
        changed[identity] = block.number;
    }

    function revokeDelegate(address identity, bytes32 kind, address delegate) external onlyOwner(identity) {
        emit DIDDelegateChanged(identity, kind, delegate, block.timestamp, changed[identity]);
        changed[identity] = block.number;
    }

    /// For several attributes at once, which the events of one block then are.
    function setAttributes(address identity, bytes32[] calldata names, bytes[] calldata values, uint256 validity)
        external
        onlyOwner(identity)
    {
        for (uint256 index = 0; index < names.length; ++index) {
            emit DIDAttributeChanged(identity, names[index], values[index], block.timestamp + validity, changed[identity]);
            changed[identity] = block.number;
        }
    }

    function setAttribute(address identity, bytes32 name, bytes calldata value, uint256 validity)
        external
        onlyOwner(identity)
    {
        emit DIDAttributeChanged(identity, name, value, block.timestamp + validity, changed[identity]);
        changed[identity] = block.number;
    }

    function revokeAttribute(address identity, bytes32 name, bytes calldata value) external onlyOwner(identity) {
        emit DIDAttributeChanged(identity, name, value, 0, changed[identity]);
        changed[identity] = block.number;
    }
}
