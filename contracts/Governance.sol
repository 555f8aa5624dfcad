// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Which policy a node judged mail by, in the words of its account, and from which block on.
/// @notice A policy is named by the SHA-256 of its document; the document itself stays with the node, which shows it to
///         whom it wants to convince. Each sender has one list of his own that only grows: a policy is in force from
///         its block on until the next one's, and nothing can be changed, inserted or taken back afterwards.
/// @dev    No owner, no upgrade, no funds, no URI. Two slots an entry: the hash, and its block and time.
contract Governance {
    struct Publication {
        bytes32 policy; // SHA-256 of the policy's document
        uint64 number; // first block in which it is in force
        uint64 time; // that block's time, Unix seconds
    }

    /// @notice From this block on `sender` judges by `policy`; `index` counts the sender's publications from 0.
    event Published(address indexed sender, bytes32 indexed policy, uint256 index);

    /// @notice The policy is in force already.
    error Unchanged(bytes32 policy);
    /// @notice Zero is no document's hash.
    error NoPolicy();

    mapping(address sender => Publication[]) private lists;

    /// @notice Put a policy in force for the sender. An earlier one may come back: it then stands in the list twice.
    function publish(bytes32 policy) external {
        if (policy == 0) revert NoPolicy();
        Publication[] storage list = lists[msg.sender];
        uint256 index = list.length;
        if (index != 0 && list[index - 1].policy == policy) revert Unchanged(policy);
        list.push(Publication(policy, uint64(block.number), uint64(block.timestamp)));
        emit Published(msg.sender, policy, index);
    }

    /// @notice How often the sender has published.
    function count(address sender) external view returns (uint256) {
        return lists[sender].length;
    }

    /// @notice The sender's publications from index `start` on, oldest first, at most `limit` of them.
    function published(address sender, uint256 start, uint256 limit)
        external
        view
        returns (Publication[] memory publications)
    {
        Publication[] storage list = lists[sender];
        uint256 left = start < list.length ? list.length - start : 0;
        publications = new Publication[](left < limit ? left : limit);
        for (uint256 index = 0; index < publications.length; ++index) publications[index] = list[start + index];
    }

    /// @notice The policy that was in force in a block, that is in the state after it; all zero: none yet.
    /// @dev    Binary search: a long list costs a reader little. Of several in one block the last one counts.
    function inForce(address sender, uint256 number) external view returns (bytes32 policy, uint64 since, uint64 time) {
        Publication[] storage list = lists[sender];
        uint256 low = 0;
        uint256 high = list.length;
        while (low < high) {
            uint256 middle = (low + high) / 2;
            if (list[middle].number <= number) low = middle + 1;
            else high = middle;
        }
        if (low == 0) return (0, 0, 0);
        Publication storage found = list[low - 1];
        return (found.policy, found.number, found.time);
    }
}
