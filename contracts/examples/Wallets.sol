// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

// Contract wallets as tests meet them. Nothing here is deployed by a node.

/// One owner's key signs for it. The smallest honest wallet there is.
contract OwnedWallet {
    address public owner;

    constructor(address first) {
        owner = first;
    }

    function isValidSignature(bytes32 digest, bytes calldata signature) external view returns (bytes4) {
        if (signature.length != 65) return 0xffffffff;
        uint8 v = uint8(signature[64]);
        address signer = ecrecover(digest, v, bytes32(signature[:32]), bytes32(signature[32:64]));
        return signer != address(0) && signer == owner ? this.isValidSignature.selector : bytes4(0xffffffff);
    }

    function give(address next) external {
        require(msg.sender == owner, "not yours");
        owner = next;
    }
}

/// Deploys owned wallets where anybody can compute beforehand (CREATE2).
contract WalletFactory {
    function make(address owner, bytes32 salt) external returns (address) {
        return address(new OwnedWallet{salt: salt}(owner));
    }

    function where(address owner, bytes32 salt) external view returns (address) {
        bytes32 code = keccak256(abi.encodePacked(type(OwnedWallet).creationCode, abi.encode(owner)));
        return address(uint160(uint256(keccak256(abi.encodePacked(bytes1(0xff), address(this), salt, code)))));
    }
}

/// Bad habits, by number.
contract OddWallet {
    uint256 private immutable habit;

    constructor(uint256 which) {
        habit = which;
    }

    fallback() external {
        uint256 which = habit;
        assembly {
            switch which
            case 0 { revert(0, 0) }
            case 1 { for {} 1 {} {} } // never ends
            case 2 { return(0, 0) } // says nothing
            case 3 { // says 1, which is no selector
                mstore(0, 1)
                return(0, 32)
            }
            case 4 { // the selector at the wrong end
                mstore(0, 0x1626ba7e)
                return(0, 32)
            }
            case 5 { // the selector, cut short
                mstore(0, shl(224, 0x1626ba7e))
                return(0, 4)
            }
            case 6 { // the selector and dirt
                mstore(0, or(shl(224, 0x1626ba7e), 1))
                return(0, 32)
            }
            case 7 { return(0, 400000) } // much
            case 8 { // right answer, then much
                mstore(0, shl(224, 0x1626ba7e))
                return(0, 400000)
            }
            case 9 { // what was asked, back
                calldatacopy(0, 0, calldatasize())
                return(0, calldatasize())
            }
            case 10 { // the right answer in a revert
                mstore(0, shl(224, 0x1626ba7e))
                revert(0, 32)
            }
            case 11 { // who pays nothing is only trying: says yes in simulations without a sender
                if iszero(origin()) {
                    mstore(0, shl(224, 0x1626ba7e))
                    return(0, 32)
                }
                revert(0, 0)
            }
            default { invalid() }
        }
    }
}
