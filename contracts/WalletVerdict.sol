// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Did this contract wallet sign that digest? Asked in one `eth_call` that creates this contract and keeps
///        nothing: there is no address to trust, and none to deploy.
/// @notice EIP-1271 for a wallet that is there; EIP-6492 for one that is not yet, whose signature brings along how it
///         is deployed. The creation "returns" one word instead of code: the verdict.
/// @dev    Whatever the wallet and its factory are, each of the three calls at most gets a third of the gas, and what
///         they return beyond one word is not copied: the verdict is always reached.
contract WalletVerdict {
    uint256 private constant VALID = 1;
    uint256 private constant REFUSED = 2; // there is a contract, and it does not say that it signed this
    uint256 private constant NO_CONTRACT = 3; // nothing at the address, and nothing said how to deploy it
    uint256 private constant NOT_DEPLOYED = 4; // the factory was called, and still there is nothing

    bytes4 private constant IS_VALID_SIGNATURE = 0x1626ba7e; // isValidSignature(bytes32,bytes), EIP-1271

    /// @param wallet      who is said to have signed
    /// @param digest      what was signed
    /// @param signature   the wallet's own signature, without EIP-6492's wrapping
    /// @param factory     zero, or whom to call when the wallet is not there yet (or not yet as it was when it signed)
    /// @param preparation what to call it with
    constructor(address wallet, bytes32 digest, bytes memory signature, address factory, bytes memory preparation) {
        uint256 verdict = judge(wallet, digest, signature, factory, preparation);
        assembly ("memory-safe") {
            mstore(0, verdict)
            return(0, 32)
        }
    }

    function judge(
        address wallet,
        bytes32 digest,
        bytes memory signature,
        address factory,
        bytes memory preparation
    ) private returns (uint256) {
        bool there = wallet.code.length > 0;
        uint256 share = gasleft() / 3;
        if (there && signed(wallet, digest, signature, share)) return VALID;
        if (factory == address(0)) return there ? REFUSED : NO_CONTRACT;
        prepare(factory, preparation, share);
        if (wallet.code.length == 0) return NOT_DEPLOYED;
        return signed(wallet, digest, signature, share) ? VALID : REFUSED;
    }

    /// EIP-1271 wants the function's own selector back, alone in its word: a wallet that answers every call with
    /// some number has not signed.
    function signed(
        address wallet,
        bytes32 digest,
        bytes memory signature,
        uint256 share
    ) private view returns (bool yes) {
        bytes memory question = abi.encodeWithSelector(IS_VALID_SIGNATURE, digest, signature);
        bytes32 wanted = bytes32(IS_VALID_SIGNATURE);
        assembly ("memory-safe") {
            mstore(0, 0)
            let done := staticcall(share, wallet, add(question, 32), mload(question), 0, 32)
            yes := and(and(done, gt(returndatasize(), 31)), eq(mload(0), wanted))
        }
    }

    function prepare(address factory, bytes memory preparation, uint256 share) private {
        assembly ("memory-safe") {
            // The outcome shows in whether there is code at the wallet's address, nowhere else.
            pop(call(share, factory, 0, add(preparation, 32), mload(preparation), 0, 0))
        }
    }
}
