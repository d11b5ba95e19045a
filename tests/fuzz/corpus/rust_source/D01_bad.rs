use solana_program::{
    account_info::{next_account_info, AccountInfo},
    entrypoint,
    entrypoint::ProgramResult,
    instruction::{AccountMeta, Instruction},
    program::invoke,
    pubkey::Pubkey,
};

entrypoint!(process_instruction);

pub fn process_instruction(_program_id: &Pubkey, accounts: &[AccountInfo], data: &[u8]) -> ProgramResult {
    let iter = &mut accounts.iter();
    let sender = next_account_info(iter)?;
    let postman = next_account_info(iter)?;
    let letter = Instruction {
        program_id: *postman.key,
        accounts: vec![AccountMeta::new(*sender.key, true)],
        data: data.to_vec(),
    };
    invoke(&letter, &[sender.clone(), postman.clone()])
}
