// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC721} from "@openzeppelin/contracts/token/ERC721/ERC721.sol";
import {ERC1155} from "@openzeppelin/contracts/token/ERC1155/ERC1155.sol";

// Tokens for the tests of token gates: OpenZeppelin's, which anybody may mint.

contract Coin is ERC20 {
    uint8 private immutable _places;

    constructor(uint8 places) ERC20("Coin", "COIN") {
        _places = places;
    }

    function decimals() public view override returns (uint8) {
        return _places;
    }

    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }
}

contract Ticket is ERC721 {
    constructor() ERC721("Ticket", "TICK") {}

    function mint(address to, uint256 id) external {
        _mint(to, id);
    }
}

contract Badge is ERC1155 {
    constructor() ERC1155("") {}

    function mint(address to, uint256 id, uint256 amount) external {
        _mint(to, id, amount, "");
    }
}

/// A contract with one bad habit: whatever it is asked, it answers with the same bytes, reverts, or never ends.
contract Odd {
    enum Habit {
        Answer,
        Revert,
        Invalid,
        Burn
    }

    Habit private immutable _habit;
    bytes private _answer;

    constructor(Habit habit, bytes memory answer) {
        _habit = habit;
        _answer = answer;
    }

    fallback(bytes calldata) external returns (bytes memory) {
        if (_habit == Habit.Revert) revert("not today");
        if (_habit == Habit.Invalid) assembly ("memory-safe") { invalid() }
        if (_habit == Habit.Burn) while (true) {}
        return _answer;
    }
}
