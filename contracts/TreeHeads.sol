// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title The newest tree head of every log, in the words of the account that keeps it.
/// @notice Each sender has one line of heads of its own: nobody can write in another's name, and a line only
///         ever grows. What a head says (size and root of an RFC 9162 Merkle tree) the contract cannot judge;
///         that two heads belong to one append-only log is shown by a consistency proof between them.
/// @dev    No owner, no upgrade, no funds. One stored slot for the root and one for the rest keeps a new head
///         at two updated slots; older heads stay readable as events and in the state of their block.
contract TreeHeads {
    struct Head {
        uint64 size; // leaves in the tree; 0 means: never anchored
        uint64 number; // block in which it was stored
        uint64 time; // that block's time, Unix seconds
        bytes32 root; // RFC 9162 §2.1.1 hash of the tree
    }

    /// @notice A sender's log has grown to `size` leaves under `root`.
    event Anchored(address indexed sender, uint64 indexed size, bytes32 root);

    /// @notice A head must have more leaves than the one before it.
    error NotGrowing(uint64 have, uint64 offered);

    mapping(address sender => Head) private heads;

    /// @notice Store the sender's next tree head.
    function anchor(uint64 size, bytes32 root) external {
        Head storage last = heads[msg.sender];
        if (size <= last.size) revert NotGrowing(last.size, size);
        last.size = size;
        last.number = uint64(block.number);
        last.time = uint64(block.timestamp);
        last.root = root;
        emit Anchored(msg.sender, size, root);
    }

    /// @notice The sender's newest head; all zero when there is none.
    function head(address sender) external view returns (uint64 size, bytes32 root, uint64 number, uint64 time) {
        Head storage last = heads[sender];
        return (last.size, last.root, last.number, last.time);
    }
}
