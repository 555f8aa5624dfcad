// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Which key signs a log's checkpoints, in the words of the account that keeps the log, and since when.
/// @notice A line is named by an account and a log's origin (`mx.example.org/log`), so there is nothing to squat and
///         nothing to win by being faster: whoever registers somebody else's origin does it under his own account.
///         Which account speaks for a domain no chain can know; the domain says it (DNS, docs/proof.md).
///         A line's keys follow one another: at most one is in force, its block tells from when, and the block of its
///         rotation or revocation until when. What was in force in an old block never changes afterwards: nobody can
///         disown what an old key has signed, and nobody can give a new key a past.
/// @dev    No owner of the whole, no upgrade, no funds. Keys are Ed25519 and 32 bytes; that the account holds the
///         private key is not shown here (a checkpoint signed with it shows it). A key is a mapping's index within its
///         line, so it serves once, and two slots keep it: the key before it, and its times.
contract Registry {
    struct Line {
        bytes32 newest; // the last key of the line, in force or not; 0: nothing is registered
        address owner; // who may change the line; at first the account that names it
        address offered; // who may become its owner by accepting
    }

    struct Entry {
        bytes32 previous; // the key before this one; 0: this is the first
        uint48 since; // first block in which it is in force; 0: no such key
        uint48 until; // first block in which it is not any more; 0: it is in force
        uint48 sinceTime; // those blocks' times, Unix seconds
        uint48 untilTime;
        bool revoked; // ended by a revocation, not by a rotation
    }

    /// A key and its times, as `history` tells them.
    struct Period {
        bytes32 key;
        uint64 since;
        uint64 until;
        uint64 sinceTime;
        uint64 untilTime;
        bool revoked;
    }

    uint256 private constant MAX_ORIGIN = 255;

    /// @notice A line begins. `origin` is the Keccak-256 of `name`; in whose name the log speaks is the account's claim.
    event Registered(address indexed account, bytes32 indexed origin, string name, bytes32 key);
    /// @notice `key` is in force from this block on; the one before it is not any more.
    event Rotated(address indexed account, bytes32 indexed origin, bytes32 previous, bytes32 key);
    /// @notice No key of the line is in force from this block on, until the next rotation.
    event Revoked(address indexed account, bytes32 indexed origin, bytes32 key);
    /// @notice The line's owner would have another one follow; the zero address withdraws it.
    event Offered(address indexed account, bytes32 indexed origin, address to);
    /// @notice The line, whose name stays, has a new owner.
    event Accepted(address indexed account, bytes32 indexed origin, address owner);

    /// @notice The sender's line for this origin is there already: rotate its key.
    error AlreadyRegistered();
    /// @notice Only the owner may do this; zero: there is no such line.
    error NotOwner(address owner);
    /// @notice The line was not offered to the sender.
    error NotOffered(address offered);
    /// @notice The caller's idea of the line's newest key is out of date.
    error NotNewest(bytes32 newest);
    /// @notice The key was rotated out or revoked already.
    error NotInForce(bytes32 key);
    /// @notice A key serves once in a line, and is not zero.
    error UnusableKey(bytes32 key);
    /// @notice An origin has 1 to 255 octets.
    error UnusableOrigin(uint256 length);

    mapping(address account => mapping(bytes32 origin => Line)) private lines;
    mapping(address account => mapping(bytes32 origin => mapping(bytes32 key => Entry))) private entries;

    /// @notice The account that registered an origin before all others, for who has no better source: it may be a
    ///         squatter's, but nobody who came later can take its place.
    mapping(bytes32 origin => address account) public first;

    /// @notice Begin the sender's line for an origin with its first key.
    /// @param name the log's origin as its checkpoints write it, UTF-8
    function register(string calldata name, bytes32 key) external {
        uint256 length = bytes(name).length;
        if (length == 0 || length > MAX_ORIGIN) revert UnusableOrigin(length);
        bytes32 origin = keccak256(bytes(name));
        Line storage line_ = lines[msg.sender][origin];
        if (line_.owner != address(0)) revert AlreadyRegistered();
        line_.owner = msg.sender;
        if (first[origin] == address(0)) first[origin] = msg.sender;
        begin(line_, msg.sender, origin, key);
        emit Registered(msg.sender, origin, name, key);
    }

    /// @notice Put `next` in force from this block on, after `newest`, whether that still is in force or was revoked.
    /// @dev    Naming the newest key makes a late or repeated transaction fail instead of undoing another one.
    function rotate(address account, bytes32 origin, bytes32 newest, bytes32 next) external {
        Line storage line_ = owned(account, origin);
        if (newest != line_.newest) revert NotNewest(line_.newest);
        Entry storage last = entries[account][origin][newest];
        if (last.until == 0) end(last);
        begin(line_, account, origin, next);
        emit Rotated(account, origin, newest, next);
    }

    /// @notice Take the key in force out of force, from this block on. What it has signed before stays signed.
    function revoke(address account, bytes32 origin, bytes32 key) external {
        owned(account, origin);
        Entry storage entry = entries[account][origin][key];
        if (entry.since == 0 || entry.until != 0) revert NotInForce(key);
        end(entry);
        entry.revoked = true;
        emit Revoked(account, origin, key);
    }

    /// @notice Offer the line to another account, which has to accept: a mistyped address loses nothing.
    function offer(address account, bytes32 origin, address to) external {
        owned(account, origin).offered = to;
        emit Offered(account, origin, to);
    }

    /// @notice Become the owner of a line that was offered to the sender.
    function accept(address account, bytes32 origin) external {
        Line storage line_ = lines[account][origin];
        if (line_.offered != msg.sender) revert NotOffered(line_.offered);
        line_.owner = msg.sender;
        line_.offered = address(0);
        emit Accepted(account, origin, msg.sender);
    }

    /// @notice A line as it stands; all zero when there is none.
    function line(address account, bytes32 origin)
        external
        view
        returns (address owner, address offered, bytes32 newest)
    {
        Line storage line_ = lines[account][origin];
        return (line_.owner, line_.offered, line_.newest);
    }

    /// @notice The key that was in force in a block, that is in the state after it; 0: none.
    /// @dev    A block that is not there yet is told of as if nothing would change until then.
    function keyAt(address account, bytes32 origin, uint256 number) external view returns (bytes32 key) {
        key = lines[account][origin].newest;
        while (key != 0) {
            Entry storage entry = entries[account][origin][key];
            if (entry.since <= number) return entry.until == 0 || number < entry.until ? key : bytes32(0);
            key = entry.previous;
        }
    }

    /// @notice The keys of a line, newest first.
    /// @param from  the key to begin with; 0: the newest
    /// @param limit at most so many
    function history(address account, bytes32 origin, bytes32 from, uint256 limit)
        external
        view
        returns (Period[] memory periods)
    {
        mapping(bytes32 key => Entry) storage line_ = entries[account][origin];
        if (from == 0) from = lines[account][origin].newest;
        uint256 count = 0;
        for (bytes32 key = from; count < limit && line_[key].since != 0; key = line_[key].previous) ++count;
        periods = new Period[](count);
        for (uint256 index = 0; index < count; ++index) {
            Entry storage entry = line_[from];
            periods[index] =
                Period(from, entry.since, entry.until, entry.sinceTime, entry.untilTime, entry.revoked);
            from = entry.previous;
        }
    }

    function owned(address account, bytes32 origin) private view returns (Line storage line_) {
        line_ = lines[account][origin];
        if (line_.owner != msg.sender) revert NotOwner(line_.owner);
    }

    function begin(Line storage line_, address account, bytes32 origin, bytes32 key) private {
        Entry storage entry = entries[account][origin][key];
        if (key == 0 || entry.since != 0) revert UnusableKey(key);
        entry.previous = line_.newest;
        entry.since = uint48(block.number);
        entry.sinceTime = uint48(block.timestamp);
        line_.newest = key;
    }

    function end(Entry storage entry) private {
        entry.until = uint48(block.number);
        entry.untilTime = uint48(block.timestamp);
    }
}
